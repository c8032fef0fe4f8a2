#!/usr/bin/env python3
# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A C++ compiler for torch's extensions that parses torch's headers only once.

Usage: TORCH_CXX_FOLDER=FOLDER [TORCH_CXX=COMPILER] CXX=tools/torch_cxx.py pip wheel ...

The first call for a file stores ``<torch/types.h>``, precompiled with that file's flags, in FOLDER.
For each file with the same flags, g++ reads it instead of the text. Other files, and calls that
compile no file, go to the compiler unchanged.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from pathlib import Path

#: The compiler's command, which may have arguments.
COMPILER = shlex.split(os.environ.get('TORCH_CXX', 'c++'))


def precompile(arguments: list[str], source: str, folder: Path) -> Path | None:
    """Return the header that has a precompiled form, made if missing; None if that fails."""
    header, precompiled = folder / 'types.h', folder / 'types.h.gch'
    with open(folder / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another file's call may be making it
        if not header.exists():
            header.write_text('#include <torch/types.h>\n')
            command = list(arguments)
            command[command.index('-o') + 1] = str(precompiled)
            place = command.index(source)
            command[place : place + 1] = ['-x', 'c++-header', str(header)]
            subprocess.call([*COMPILER, *command])
    return header if precompiled.exists() else None


def main() -> None:
    arguments = sys.argv[1:]
    source = next((name for name in arguments if name.endswith('.cpp')), None)
    if source and '-c' in arguments:
        header = precompile(arguments, source, Path(os.environ['TORCH_CXX_FOLDER']))
        if header:
            arguments += ['-Winvalid-pch', '-include', str(header)]
    os.execvp(COMPILER[0], [*COMPILER, *arguments])


if __name__ == '__main__':
    main()
