# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What to do about LMDB's errors."""

from __future__ import annotations

from pathlib import Path

from mmpose_ext.utils.errors import ArgumentError

#: LMDB's errors about the content of a file.
DAMAGED = ('CorruptedError', 'InvalidError', 'PageNotFoundError', 'VersionMismatchError')
FULL = 'free space on the disk or raise its quota or `ulimit -f`, and run the command again'
FORBIDDEN = 'change its permissions'
#: What to do about LMDB's other errors, by their class or the system's message.
REMEDIES = {
    'MemoryError': 'raise the limit of memory (`ulimit -v`)',
    'DiskError': FULL,
    'MapFullError': 'raise the limit of memory (`ulimit -v`), and run the command again',
    'Input/output error': FULL,  # what LMDB reports after an incomplete write
    'File too large': FULL,
    'Disk quota exceeded': FULL,
    'ReadonlyError': FORBIDDEN,
    'Permission denied': FORBIDDEN,
    'Read-only file system': FORBIDDEN,
    'LockError': 'end the processes that lock it',
    'MapResizedError': 'it has grown since it was opened: start again',
    'already open': 'it is in use by this process: end it first',
}


class PackError(ValueError):
    """A pack that is missing, damaged or stale; the message says what to run."""


class DamagedPackError(PackError):
    """A pack that cannot be read any more; who raises it again says how to replace it."""


class UnwritablePackError(ArgumentError, PackError):
    """A path that packs cannot be written to; the message names the argument for another one."""


def unwritable(path: str | Path, text: str) -> PackError:
    """Return the error that says what to do about a path that cannot be written.

    Args:
        path (str | Path): The pack.
        text (str): The system's message.
    """
    is_file = any(name in text for name in ('File exists', 'Not a directory'))
    remedy = 'remove the file there' if is_file else FORBIDDEN
    return UnwritablePackError(
        'pack {path}: {text}: {remedy}, or choose another path by {}',
        'out',
        path=path,
        text=text,
        remedy=remedy,
    )


def explained(path: str | Path, error: Exception, writing: bool = False) -> PackError:
    """Return the error that says what to do about an ``lmdb.Error``.

    Args:
        path (str | Path): The pack.
        error (lmdb.Error): The error.
        writing (bool): Whether the pack is written. Defaults to False.
    """
    kind, text = type(error).__name__, str(error)
    if kind in DAMAGED:
        return DamagedPackError(f'pack {path} is damaged or not a pack ({text})')
    remedies = (remedy for name, remedy in REMEDIES.items() if name == kind or name in text)
    remedy = next(remedies, 'look at the disk and the folder')
    if writing and remedy == FORBIDDEN:
        return unwritable(path, text)
    return PackError(f'pack {path}: {text}: {remedy}')
