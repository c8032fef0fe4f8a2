# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Image files that are decoded when the affine warp knows which pixels it needs."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
from PIL import Image

from .deferred_image import Allocator, DeferredImage
from .warp_geometry import FACTORS, Box, Grid, enlargement, largest_scale, reduction

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

#: OpenCV's flags for the reductions while decoding.
REDUCTIONS = dict(
    zip(
        FACTORS,
        (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_COLOR_8),
    )
)
#: Start of a JPEG's segment with XMP data.
XMP = b'http://ns.adobe.com/xap/1.0/\0'
#: Rows of the largest block (MCU) of usual JPEGs.
BLOCK = 16


class EncodedImage(DeferredImage):
    """The bytes of an image file.

    A JPEG is decoded at half, a quarter or an eighth of its size if that leaves at least one pixel
    per pixel of the result; the decoder then averages pixels that a bilinear warp would skip. If
    simplejpeg is installed, it decodes baseline JPEGs without EXIF data, down to the last row
    needed. OpenCV decodes all other images, as in mmcv, and rotates them by their EXIF data.

    Args:
        content (bytes): Content of the file.
        name (str): Name of the file, for error messages. Defaults to no name.

    Raises:
        ValueError: If it is empty or not an image.
    """

    def __init__(self, content: bytes, name: str = '') -> None:
        self.content = content
        self.name = name
        self._decoded: np.ndarray | None = None
        self._jpeg, self._plain, self._orientation = False, False, 1
        super().__init__(self._read_size())

    def pixels(
        self, scale: float = 1.0, box: Box | None = None, allocate: Allocator | None = None
    ) -> tuple[np.ndarray, Grid | None]:
        """Decode; see :meth:`DeferredImage.pixels`."""
        if self._decoded is not None:
            return self._decoded, None
        by = self._reduction(scale)
        width, height = self.size
        decoded = self._decode_by_simplejpeg(by, box and box[3], allocate) if self._plain else None
        if decoded is None:  # OpenCV reads slightly damaged files too
            decoded = _opencv(self.content, REDUCTIONS.get(by, cv2.IMREAD_COLOR))
            expected = (-(-height // by), -(-width // by))
            if decoded is None:
                raise ValueError(
                    f'{self.name}: the image is cut short or damaged: replace the file'
                )
            if decoded.shape[:2] != expected:
                raise ValueError(
                    f'{self.name}: decoded to {decoded.shape[1::-1]}, expected {expected[::-1]} by '
                    'its header: save the image anew'
                )
        if by == 1:
            return decoded, None
        turned = self._orientation in (2, 3, 6, 7), self._orientation in (3, 4, 7, 8)
        return decoded, enlargement(by, self.size, turned)

    def largest(self, matrix: np.ndarray) -> tuple[int, int]:
        """Return the size that :meth:`source` decodes the whole image to."""
        by = self._reduction(largest_scale(matrix.tolist()))  # a flip leaves the scale as it is
        return -(-self.size[0] // by), -(-self.size[1] // by)

    def _reduction(self, scale: float) -> int:
        return reduction(scale) if self._jpeg else 1

    def _read_size(self) -> tuple[int, int]:
        """Return [w, h] after EXIF rotation; decode the image if it is not a JPEG."""
        content = self.content
        self._jpeg = content.startswith(b'\xff\xd8')
        if self._jpeg and simplejpeg is not None and not has_exif(content):
            try:
                height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
                self._plain = colors in ('YCbCr', 'Gray', 'RGB')
                return width, height
            except ValueError:
                pass
        elif self._jpeg and not _hides_exif(content):
            try:
                with Image.open(io.BytesIO(content)) as image:
                    exif = Image.Exif()  # not getexif(), which also looks into XMP data
                    exif.load(image.info.get('exif', b''))
                    self._orientation = exif.get(0x0112, 1)
                    width, height = image.size
                return (height, width) if self._orientation in (5, 6, 7, 8) else (width, height)
            except (OSError, ValueError, SyntaxError, struct.error):
                pass
        self._jpeg = False
        self._decoded = _opencv(content, cv2.IMREAD_COLOR)
        if self._decoded is None:
            raise ValueError(
                f'{self.name}: empty, cut short or no image that OpenCV reads: replace the file'
            )
        return self._decoded.shape[1], self._decoded.shape[0]

    def _decode_by_simplejpeg(
        self, by: int, rows: int | None, allocate: Allocator | None
    ) -> np.ndarray | None:
        content, (width, height), strict = self.content, self.size, True
        whole = b'\xff\xd9' in content[-64:]  # a truncated file must fail as the whole image does
        if rows is not None and whole:  # a bilinear warp reads one more pixel of a reduced image
            shorter = cut_below(content, rows if by == 1 else rows + 2 * by)
            if shorter is not None:  # there is more data than the new header announces
                content, height, strict = shorter[0], shorter[1], False
        return by_simplejpeg(content, (width, height), by, strict, allocate)


def decode_baseline(
    content: bytes, size: tuple[int, int], by: int = 1, allocate: Allocator | None = None
) -> np.ndarray | None:
    """Decode a baseline JPEG without EXIF data; see :func:`by_simplejpeg`."""
    if simplejpeg is not None:
        return by_simplejpeg(content, size, by, allocate=allocate)
    return _opencv(content, REDUCTIONS.get(by, cv2.IMREAD_COLOR))


def by_simplejpeg(
    content: bytes,
    size: tuple[int, int],
    by: int = 1,
    strict: bool = True,
    allocate: Allocator | None = None,
) -> np.ndarray | None:
    """Decode a baseline JPEG with simplejpeg.

    Args:
        content (bytes): Content of the file.
        size (tuple[int, int]): [w, h] in its header.
        by (int): Factor of the reduction. Defaults to 1.
        strict (bool): Whether to refuse images that libjpeg warns about. Defaults to True.
        allocate (Callable, optional): Gives memory for the result.

    Returns:
        np.ndarray | None: (h / by, w / by, 4) uint8, BGR and 255; None if it is
        damaged.
    """
    width, height = -(-size[0] // by), -(-size[1] // by)
    least = dict(min_width=width, min_height=height, min_factor=by) if by > 1 else {}
    buffer = None if allocate is None else allocate((height, width, 4))
    try:
        decoded = simplejpeg.decode_jpeg(content, 'BGRA', strict=strict, buffer=buffer, **least)
    except ValueError:
        return None
    return decoded if decoded.shape[:2] == (height, width) else None


def cut_below(content: bytes, rows: int) -> tuple[bytes, int] | None:
    """Change a JPEG's header to end the image below some rows, where decoders then stop.

    Args:
        content (bytes): Content of the file.
        rows (int): Number of rows that are needed.

    Returns:
        tuple[bytes, int] | None: The file with another header, and the number of rows in it, a
        multiple of the largest block, one row more than needed at least: the colors of the last row
        are interpolated with those below. None if there are no fewer rows then, for progressive
        JPEGs, which hold all rows in each scan, and what has no such header.
    """
    at = height_at(content)
    if at is None:
        return None
    height = int.from_bytes(content[at : at + 2], 'big')
    kept = (max(rows, 0) // BLOCK + 1) * BLOCK
    if kept >= height:
        return None
    return content[:at] + kept.to_bytes(2, 'big') + content[at + 2 :], kept


def has_exif(content: bytes) -> bool:
    """Return whether a JPEG has EXIF data before its pixels."""
    at = 2
    while at + 8 < len(content) and content[at] == 0xFF and 0xC0 <= content[at + 1] < 0xFF:
        marker = content[at + 1]
        if marker == 0xDA:
            return False
        if marker == 0xE1 and content[at + 4 : at + 8] == b'Exif':
            return True
        at += 2 + int.from_bytes(content[at + 2 : at + 4], 'big')
    return b'Exif\0' in content[:65536]


def _hides_exif(content: bytes) -> bool:
    """Return whether XMP data precede a JPEG's EXIF data, which OpenCV 4 then overlooks."""
    return 0 <= content.find(XMP, 0, 65536) < content.find(b'Exif\0\0', 0, 2 * 65536)


def height_at(content: bytes) -> int | None:
    """Return the position of the height in a baseline JPEG's header, two bytes before the width.

    None for other files.
    """
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in (0xC0, 0xC1):
            return at + 5
        if marker in (0xC2, 0xDA):
            return None
        at += 2 + int.from_bytes(content[at + 2 : at + 4], 'big')
    return None


def _opencv(content: bytes, flags: int) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
