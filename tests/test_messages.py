# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Messages of the library name no flags: a caller in Python has none, commands have their own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FLAG = re.compile(r'(?<![\w-])--[a-z][\w-]*')
#: Flags that are right wherever the message is read: they are part of a complete command.
ALLOWED = {
    'requirements.py': {
        '--force-reinstall', '--no-binary', '--no-build-isolation', '--no-cache-dir', '--no-deps',
    },  # of pip
    'utils/mmdet_import.py': {'--no-deps'},  # of pip
    'engine/last_checkpoint.py': {'--resume'},  # of mim train
    'engine/safe_checkpoint_hook.py': {'--resume'},  # of mim train
    'datasets/pack/reader.py': {'--anew'},  # of `mmpose-ext pack ...`
    'datasets/pack/use.py': {'--out'},  # of `mmpose-ext pack ...`
    'apps/pack/job.py': {'--cfg-options', '--out'},  # of `mmpose-ext pack ...`
    'apps/compare/runs.py': {'--cfg-options', '--resume', '--work-dir'},  # of mmpose's tools
}  # fmt: skip


def flags_in(source: str) -> set[str]:
    """Return the flags in a source's texts, without docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        flag
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
        for flag in FLAG.findall(node.value)
    }


def test_flags_are_found():
    assert flags_in('"""Like --a."""\nraise ValueError(f"give --box-thr {1}, not a--b")') == {
        '--box-thr'
    }


def test_messages_of_the_library_name_no_flags(root):
    package = Path(root) / 'mmpose_ext'
    found = {}
    for path in sorted(package.rglob('*.py')):
        is_command_line = path.parts[-3] == 'apps' and path.stem.endswith('cli')
        if is_command_line or path == package / 'apps' / 'shared' / 'arguments.py':
            continue
        flags = flags_in(path.read_text())
        if flags:
            found[path.relative_to(package).as_posix()] = flags
    assert found == ALLOWED
