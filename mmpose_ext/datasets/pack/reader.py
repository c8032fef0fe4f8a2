# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train from a pack: read crops of people instead of their images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from .records import (
    META,
    VERSION,
    Crop,
    DamagedPackError,
    Meta,
    PackError,
    open_environment,
)

COMMAND = 'mmpose-ext pack CONFIG'


class _Opened:
    """An environment shared by all readers of this process, as LMDB opens a file only once."""

    known: ClassVar[WeakValueDictionary] = WeakValueDictionary()

    def __init__(self, path: str) -> None:
        self.environment = open_environment(
            path, readonly=True, lock=False, readahead=False, max_spare_txns=4
        )

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if hasattr(self, 'environment'):
            self.environment.close()

    @classmethod
    def of(cls, path: str) -> _Opened:
        """Return the environment of a path in this process; environments do not survive a fork."""
        key = (os.getpid(), os.path.realpath(path))
        for (process, _), inherited in list(cls.known.items()):
            if process != os.getpid():
                inherited.close()
        opened = cls.known.get(key)
        if opened is None:
            opened = cls.known[key] = cls(path)
        return opened


class PackReader:
    """Read a pack. Each process opens it itself; a reader is pickled as its path.

    Args:
        path (str | Path): Path of the pack.
        command (str): Command that makes the pack, for error messages. Defaults to 'mmpose-ext
            pack CONFIG'.

    Raises:
        PackError: If it is missing, damaged or incomplete.
    """

    def __init__(self, path: str | Path, command: str = COMMAND) -> None:
        self.path = str(path)
        self.command = command
        self._opened: _Opened | None = None
        self._process: int | None = None
        if not (Path(path) / 'data.mdb').is_file():
            raise PackError(f'pack {path} is missing: run `{command}`')
        try:
            self.meta = self._read_meta()
        except BaseException:
            self.close()
            raise

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _opened=None, _process=None)

    def close(self) -> None:
        """Close the file; later reads open it again."""
        self._opened, self._process = None, None

    def get(self, key: bytes, read: Callable[[memoryview], Any] = bytes) -> Any:
        """Return a value converted by a function, by default its bytes; None if there is no value.

        Raises:
            PackError: If the file is damaged.
        """
        import lmdb

        try:
            with self._open().begin(buffers=True) as transaction:
                value = transaction.get(key)
                return None if value is None else read(value)
        except lmdb.Error as error:
            raise self.damaged(str(error)) from error

    def crop(self, key: bytes) -> Crop:
        """Return a person's crop.

        Raises:
            PackError: If it is missing or damaged.
        """
        name = key.decode()[2:]
        try:
            crop = self.get(key, Crop.from_bytes)
        except PackError:
            raise
        except ValueError as error:
            raise self.damaged(f'person {name}: {error}') from error
        if crop is None:
            raise PackError(f'pack {self.path} has no person {name}: run `{self.command}`')
        return crop

    def count(self, prefix: bytes) -> int:
        """Return the number of keys with a prefix."""
        with self._open().begin() as transaction:
            return sum(1 for _ in keys_from(transaction, prefix))

    def damaged(self, why: str) -> DamagedPackError:
        """Return the error for a damaged pack."""
        return DamagedPackError(f'pack {self.path} is damaged ({why}): run `{self.command} --anew`')

    def _read_meta(self) -> Meta:
        import lmdb

        try:
            content = self.get(META)
            meta = None if content is None else Meta.from_bytes(content)
            done = self.count(b'd:')
        except DamagedPackError:
            raise
        except (ValueError, lmdb.Error) as error:
            raise self.damaged(str(error)) from error
        if meta is not None and meta.version != VERSION:
            raise PackError(f'pack {self.path} is of another version: run `{self.command}`')
        if meta is None or done < meta.batches:
            of = f'{done} of {meta.batches} parts' if meta else 'nothing'
            raise PackError(f'pack {self.path} holds {of} so far: run `{self.command}` to the end')
        return meta

    def _open(self) -> Any:
        if self._opened is None or self._process != os.getpid():
            self._opened, self._process = _Opened.of(self.path), os.getpid()
        return self._opened.environment


def keys_from(transaction: Any, prefix: bytes) -> Iterator[bytes]:
    """Yield the keys of an LMDB transaction that start with a prefix."""
    cursor = transaction.cursor()
    if cursor.set_range(prefix):
        for key in cursor.iternext(keys=True, values=False):
            key = bytes(key)
            if not key.startswith(prefix):
                return
            yield key
