# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The records of a pack: people's crops, the state of their images, and how the pack was made.

A pack is an LMDB environment, a folder with ``data.mdb``. All workers read this memory-mapped file
in random order through the page cache, without a copy for each. Several processes can write it, in
transactions that stay intact if a process is killed.

| key | value |
| --- | --- |
| ``meta`` | JSON: :class:`Meta` |
| ``p:ID:HASH`` | a person, see :func:`person_key`: :class:`Crop`, with a checksum |
| ``s:ID:HASH`` | a person's image when the person was cut out: :class:`ImageState` |

Both records of a person are written in one transaction. Data sets that read one annotation file
differently, such as whole bodies and faces, have records of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DamagedPackError, explained
from .reach import Reach
from .tiles import TiledJpeg, tiles_of

VERSION = 4
META = b'meta'
#: Sizes of the reserved address space in bytes; the file itself is only as large as its content.
#: The first that the limits of the process allow.
MAP_SIZES = [2**exponent for exponent in range(40, 29, -1)]
#: What :func:`.surroundings` looks at.
_DECISIVE = (
    *('bbox', 'bbox_center', 'bbox_scale', 'keypoints', 'keypoints_visible'),
    *('upper_body_ids', 'lower_body_ids'),
)
_CROP = struct.Struct('<I8i')
_STATE = struct.Struct('<QqI')


@dataclass(frozen=True)
class Meta:
    """How a pack was made.

    Args:
        ann_sha256 (str): SHA-256 of the annotation file.
        size (int): Longest side of a crop, in pixels.
        quality (int): Quality of the JPEGs.
        reach (Reach): The region around each person that the crops cover. Defaults to ``Reach()``.
        version (int): Version of this layout. Defaults to ``VERSION``.
    """

    ann_sha256: str
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
            known = json.loads(bytes(content))
            values = {one.name: known[one.name] for one in fields(cls)}
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


def person_key(info: Mapping[str, Any]) -> bytes:
    """Return the key of a person's crop.

    It holds the id and a hash of all that decides which pixels the crop must show. The id alone
    does not: two classes of data sets may use it for different boxes, or count people of their own.

    Args:
        info (Mapping): The person from ``get_data_info``.
    """
    image = f'{info.get("img_id")} {os.path.basename(info.get("img_path", ""))}'
    digest = hashlib.blake2b(image.encode('utf-8', 'surrogateescape'), digest_size=8)
    for name in _DECISIVE:
        value = info.get(name)
        if value is not None:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return f'p:{info["id"]}:{digest.hexdigest()}'.encode()


def id_in(key: bytes) -> str:
    """Return the id of a person, from the key of the crop or of the state."""
    return key[2:].rsplit(b':', 1)[0].decode()


def state_key(person: bytes) -> bytes:
    """Return the key of the state of a person's image, from the key of the crop."""
    return b's' + person[1:]


def open_environment(path: str | Path, **settings: Any) -> Any:
    """Open an LMDB environment.

    Args:
        path (str | Path): The folder.
        **settings: See ``lmdb.open``.

    Raises:
        ImportError: If lmdb is not installed.
        DamagedPackError: If it is damaged.
        PackError: If it cannot be opened.
    """
    try:
        import lmdb
    except ImportError:
        raise ImportError('packs need lmdb: pip install lmdb  (or mmpose_ext[pack])') from None
    writing = not settings.get('readonly')
    sizes = MAP_SIZES if writing else [*MAP_SIZES, 1]  # 1: that of the file
    for map_size in sizes:
        try:
            environment = lmdb.open(str(path), map_size=map_size, meminit=False, **settings)
            break
        except lmdb.MemoryError as error:
            if map_size == sizes[-1]:
                raise explained(path, error, writing) from error
        except lmdb.Error as error:
            raise explained(path, error, writing) from error
    # reading beyond the end of a mapped file would crash the process
    needed = (environment.info()['last_pgno'] + 1) * environment.stat()['psize']
    size = os.path.getsize(Path(path) / 'data.mdb')
    if size < needed:
        environment.close()
        raise DamagedPackError(f'pack {path} is damaged (cut short: {size} of {needed} bytes)')
    return environment
