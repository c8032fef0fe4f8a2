# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write files completely or not at all: write under another name, sync, rename."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

TEMPORARY_SUFFIX = '.mmpose_ext.tmp'
ATOMIC_BACKEND = 'mmpose_ext_atomic'


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``; a crash leaves the old file or the new one, never a part.

    The data are written to a hidden temporary file in the same folder and synced to the disk. The
    file is then renamed to ``path`` in one step, and the folder is synced.

    Args:
        path (str | Path): The file to write; its folder is created if needed.
        data (bytes): The whole content of the file.

    Raises:
        OSError: If the disk is full or the folder cannot be written. The file that was at
            ``path`` before is untouched and the temporary file is removed.
    """
    path = Path(path)
    if os.path.isdir(path):
        error = OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        raise OSError(error.errno, _write_error_text(path, len(data), error))
    temporary = path.with_name(f'.{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, _write_error_text(path, len(data), error)) from error
        raise
    _sync_folder(path.parent)


def require_writable(*paths: str | os.PathLike | None) -> None:
    """Refuse paths that :func:`write_atomically` cannot write to, before long work begins.

    Args:
        *paths (str | os.PathLike, optional): Files to be written; None is ignored.

    Raises:
        OSError: If a path is a folder, or its folder is not writable or is a file.
    """
    for path in (Path(path) for path in paths if path is not None):
        number = _obstacle(path)
        if number is not None:
            error = OSError(number, os.strerror(number))
            raise OSError(number, _write_error_text(path, 0, error))


def _obstacle(path: Path) -> int | None:
    """Return the number of the error that writing a file would raise, as far as that is known."""
    if path.is_dir():
        return errno.EISDIR
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return errno.ENOTDIR
    return None if os.access(folder, os.W_OK | os.X_OK) else errno.EACCES


def remove_leftovers(folder: str | Path) -> list[str]:
    """Remove the temporary files that a killed writer left in ``folder``; return their names."""
    removed = []
    for path in sorted(Path(folder).glob(f'.*{TEMPORARY_SUFFIX}')):
        with suppress(OSError):
            path.unlink()
            removed.append(path.name)
    return removed


@register_backend(ATOMIC_BACKEND)
class AtomicLocalBackend(LocalBackend):
    """mmengine's local file backend, which writes each file completely or not at all.

    Select it with ``backend_args=dict(backend='mmpose_ext_atomic')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; see :func:`write_atomically`."""
        write_atomically(filepath, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text; see :func:`write_atomically`."""
        write_atomically(filepath, obj.encode(encoding))


def _write_error_text(path: Path, size: int, error: OSError) -> str:
    advice = 'check the path and the disk'
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = f'free at least {size / 2**20:.1f} MiB there'
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = 'make the folder writable'
    elif error.errno == errno.EISDIR:
        advice = 'give a path that is not a folder'
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = 'a part of the path is a file, not a folder: give another path'
    return f'cannot write {path}: {error.strerror or error}; {advice}'


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, on systems that allow it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
