# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Which process works on which part of a job."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

_PROCESS = struct.Struct('<q')


class Claims:
    """Numbered claims of processes, as locks on parts of a file.

    The system releases the locks of a process that ends, however it ends. Open a file only once
    per process, because closing it releases all of the process's locks.

    Args:
        path (str | Path): The file, which is made if need be.

    Raises:
        OSError: If the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *error: Any) -> None:
        os.close(self._file)

    def take(self, number: int) -> bool:
        """Claim a part; return whether no other process has it."""
        size = _PROCESS.size
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, size, number * size)
        except (BlockingIOError, PermissionError):
            return False
        os.pwrite(self._file, _PROCESS.pack(os.getpid()), number * size)
        return True

    def release(self, number: int) -> None:
        """Give a part back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, _PROCESS.size, number * _PROCESS.size)

    def holder(self, number: int) -> int:
        """Return the id of the process that claimed a part last; 0 if it is unknown."""
        with suppress(struct.error):
            return _PROCESS.unpack(os.pread(self._file, _PROCESS.size, number * _PROCESS.size))[0]
        return 0
