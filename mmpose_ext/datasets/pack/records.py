# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The records of a pack: people's crops, the state of their images, and how the pack was made.

A pack is an LMDB environment, a folder with ``data.mdb``. All workers read this memory-mapped file
in random order through the page cache, without a copy for each. Several processes can write it, in
transactions that stay intact if a process is killed.

| key | value |
| --- | --- |
| ``meta`` | JSON: :class:`Meta` |
| ``p:ID`` | a person by the annotation's id: :class:`Crop`, with a checksum |
| ``i:NAME`` | an image by its path in the image folder: :class:`ImageState` |
| ``d:N`` | a batch of images that is done |
| ``c:N`` | a batch that a process is working on |
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .reach import Reach
from .tiles import TiledJpeg, tiles_of

VERSION = 2
META = b'meta'
#: Size of the reserved address space in bytes. The file itself is only as large as its content.
MAP_SIZE = 2**40
_CROP = struct.Struct('<I8i')
_STATE = struct.Struct('<QqI')


class PackError(ValueError):
    """A pack that is missing, damaged or stale; the message says what to run."""


class DamagedPackError(PackError):
    """A pack that cannot be read any more and must be replaced."""


@dataclass(frozen=True)
class Meta:
    """How a pack was made.

    Args:
        ann_sha256 (str): SHA-256 of the annotation file.
        samples (int): Number of people.
        batches (int): Number of batches of images.
        size (int): Longest side of a crop, in pixels.
        quality (int): Quality of the JPEGs.
        reach (Reach): The region around each person that the crops cover. Defaults to ``Reach()``.
        version (int): Version of this layout. Defaults to ``VERSION``.
    """

    ann_sha256: str
    samples: int
    batches: int
    size: int
    quality: int
    reach: Reach = field(default_factory=Reach)
    version: int = VERSION

    def to_bytes(self) -> bytes:
        """Serialize to JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Meta:
        """Deserialize from JSON.

        Raises:
            ValueError: If the content does not describe a pack.
        """
        try:
            values = json.loads(bytes(content))
            return cls(**{**values, 'reach': Reach(**values['reach'])})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f'not the description of a pack: {error}') from error


@dataclass(frozen=True)
class Crop:
    """A person's surroundings.

    Args:
        region (tuple[int, int, int, int]): x1, y1, x2, y2 of the surroundings in the image.
        image_size (tuple[int, int]): [w, h] of the whole image.
        picture (TiledJpeg): Pixels of the surroundings, possibly at a reduced size.
    """

    region: tuple[int, int, int, int]
    image_size: tuple[int, int]
    picture: TiledJpeg

    def to_bytes(self) -> bytes:
        """Serialize with a leading checksum."""
        picture = self.picture
        head = _CROP.pack(0, *self.region, *self.image_size, *picture.size)[4:]
        body = head + np.array(picture.starts, '<u4').tobytes() + picture.content
        return struct.pack('<I', zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, content: bytes | memoryview) -> Crop:
        """Check the checksum and deserialize.

        Raises:
            ValueError: If the checksum does not match.
        """
        content = memoryview(content)
        if len(content) < _CROP.size or zlib.crc32(content[4:]) != _CROP.unpack_from(content)[0]:
            raise ValueError('the checksum does not match')
        _, x1, y1, x2, y2, *sizes = _CROP.unpack_from(content)
        image_size, size = (sizes[0], sizes[1]), (sizes[2], sizes[3])
        across, down = tiles_of(size)
        starts = np.frombuffer(content, '<u4', across * down + 1, _CROP.size)
        file = bytes(content[_CROP.size + starts.nbytes :])
        return cls((x1, y1, x2, y2), image_size, TiledJpeg(size, starts.tolist(), file))


@dataclass(frozen=True)
class ImageState:
    """The state of an image file when its people were cut out.

    Args:
        size (int): Size in bytes.
        mtime (int): Time of the last change, in ns.
        crc32 (int): CRC-32 of the content.
    """

    size: int
    mtime: int
    crc32: int

    def to_bytes(self) -> bytes:
        """Serialize to 20 bytes."""
        return _STATE.pack(self.size, self.mtime, self.crc32)

    @classmethod
    def from_bytes(cls, content: bytes) -> ImageState:
        """Deserialize from 20 bytes."""
        return cls(*_STATE.unpack(content))

    @classmethod
    def of(cls, path: str | Path, content: bytes) -> ImageState:
        """Return the state of a file whose content was just read."""
        return cls(len(content), os.stat(path).st_mtime_ns, zlib.crc32(content))

    def describes(self, path: str | Path) -> bool:
        """Return whether the file is unchanged: by size and time, else by size and content.

        A missing file counts as unchanged, because the pack replaces it.
        """
        try:
            now = os.stat(path)
        except OSError:
            return True
        if now.st_size != self.size or now.st_mtime_ns == self.mtime:
            return now.st_size == self.size
        return zlib.crc32(Path(path).read_bytes()) == self.crc32


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def default_path(ann_file: str | Path) -> Path:
    """Return the path of an annotation file's pack: next to it, with the suffix ``.pack``."""
    return Path(ann_file).with_suffix('.pack')


def person_key(info: dict[str, Any]) -> bytes:
    """Return the key of a person from ``get_data_info``."""
    return f'p:{info["id"]}'.encode()


def image_key(dataset: Any, path: str) -> bytes:
    """Return the key of an image: its path relative to the data set's image folder.

    LMDB keys have at most 511 bytes, so longer names are hashed.
    """
    folder = dataset.data_prefix.get('img', '')
    name = os.path.relpath(path, folder) if folder else path
    key = f'i:{name}'.encode()
    return key if len(key) <= 511 else b'i:' + hashlib.sha256(key).hexdigest().encode()


def open_environment(path: str | Path, **settings: Any) -> Any:
    """Open an LMDB environment.

    Raises:
        ImportError: If lmdb is not installed.
        PackError: If the file is not an LMDB environment.
    """
    try:
        import lmdb
    except ImportError:
        raise ImportError('packs need lmdb: pip install lmdb  (or mmpose_ext[pack])') from None
    try:
        environment = lmdb.open(str(path), map_size=MAP_SIZE, meminit=False, **settings)
    except lmdb.Error as error:
        if 'already open' in str(error):
            raise PackError(f'{path} is in use by this process: end it first') from None
        raise PackError(f'{path} is damaged or not a pack ({error})') from error
    # reading beyond the end of a mapped file would crash the process
    needed = (environment.info()['last_pgno'] + 1) * environment.stat()['psize']
    size = os.path.getsize(Path(path) / 'data.mdb')
    if size < needed:
        environment.close()
        raise PackError(f'{path} is cut short: {size} of {needed} bytes')
    return environment
