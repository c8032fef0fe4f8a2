# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train from a pack: read crops of people instead of their images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from .errors import DamagedPackError, PackError, explained
from .records import META, VERSION, Crop, Meta, id_in, open_environment

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
        command (str | Callable): Command that makes the pack, for error messages, or a function
            that returns it when a message needs it. Defaults to 'mmpose-ext pack CONFIG'.

    Raises:
        PackError: If it is missing, damaged or incomplete.
    """

    def __init__(self, path: str | Path, command: str | Callable[[], str] = COMMAND) -> None:
        self.path = str(path)
        self._command = command
        self._opened: _Opened | None = None
        self._process: int | None = None
        file = Path(path) / 'data.mdb'
        if not file.is_file() or not file.stat().st_size:
            raise PackError(f'pack {path} is missing: run `{self.command}`')
        try:
            self.meta = self._read_meta()
        except BaseException:
            self.close()
            raise

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _opened=None, _process=None)

    @property
    def command(self) -> str:
        """The command that makes the pack."""
        return self._command() if callable(self._command) else self._command

    def close(self) -> None:
        """Close the file; later reads open it again."""
        self._opened, self._process = None, None

    def get(self, key: bytes, parse: Callable[[Any], Any] = bytes, name: str = '') -> Any:
        """Return a record; None if there is none.

        Each record has a short transaction of its own, because a reader holds no lock: from the
        second commit of another process on, LMDB reuses the pages that a transaction sees. A record
        that is missing or damaged is therefore read a second time.

        Args:
            key (bytes): The key.
            parse (Callable): Makes the result of a view of the value. Defaults to a copy.
            name (str): What error messages call the record. Defaults to no name.

        Raises:
            PackError: If the file cannot be read, or if ``parse`` raises a ``ValueError``.
        """
        with suppress(PackError):
            record = self._get(key, parse, name)
            if record is not None:
                return record
        return self._get(key, parse, name)

    def _get(self, key: bytes, parse: Callable[[Any], Any], name: str) -> Any:
        with self._transaction() as transaction:
            value = transaction.get(key)
            try:
                return None if value is None else parse(value)
            except ValueError as error:
                raise DamagedPackError(f'pack {self.path} is damaged ({name}{error})') from error

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Yield a transaction of LMDB, whose values are views of the file.

        Raises:
            PackError: If the file cannot be read.
        """
        import lmdb

        try:
            try:
                with self._open().begin(buffers=True) as transaction:
                    yield transaction
            except lmdb.Error as error:
                raise explained(self.path, error) from error
        except DamagedPackError as error:
            raise PackError(f'{error}: run `{self.command} --anew`') from error

    def crop(self, key: bytes) -> Crop:
        """Return the crop of the person with a key from :func:`.person_key`.

        Raises:
            PackError: If it is missing or damaged.
        """
        person = f'person {id_in(key)}'
        crop = self.get(key, Crop.from_bytes, f'{person}: ')
        if crop is None:
            raise PackError(
                f'pack {self.path} has no {person} with this image, box and keypoints: run '
                f'`{self.command}`'
            )
        return crop

    def _read_meta(self) -> Meta:
        meta = self.get(META, Meta.from_bytes)
        if meta is None:
            raise PackError(f'pack {self.path} is empty: run `{self.command}`')
        if meta.version != VERSION:
            raise PackError(f'pack {self.path} is of another version: run `{self.command}`')
        return meta

    def _open(self) -> Any:
        if self._opened is None or self._process != os.getpid():
            self._opened, self._process = _Opened.of(self.path), os.getpid()
        return self._opened.environment
