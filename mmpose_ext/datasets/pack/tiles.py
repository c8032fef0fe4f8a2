# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""JPEGs of tiles, of which only the part that a warp reads is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmpose_ext.datasets.fast.encoded_image import BLOCK, height_at
from mmpose_ext.datasets.fast.warp_geometry import Box

#: Blocks (MCU) in a tile.
BLOCKS = 2
#: [w, h] of a tile in pixels.
TILE = (BLOCKS * BLOCK, BLOCK)
#: Pixels by which the decoder interpolates a tile's colors into its neighbor.
_BLUR = 1
_ENDS = [bytes([0xFF, 0xD0 + number]) for number in range(8)]
_LAST = b'\xff\xd9'


@dataclass(frozen=True)
class TiledJpeg:
    """A picture as a baseline JPEG with a restart marker after each tile.

    A decoder restarts at a restart marker (ITU-T T.81, section E.2.4), so any rectangle of tiles
    with its own header is a JPEG with the same pixels as the whole.

    Args:
        size (tuple[int, int]): [w, h] in pixels. The JPEG is padded to whole tiles.
        starts (Sequence[int]): Start of each tile in ``content``, row by row, and the end.
        content (bytes): The file.
    """

    size: tuple[int, int]
    starts: Sequence[int]
    content: bytes

    @classmethod
    def encode(cls, pixels: np.ndarray, quality: int) -> TiledJpeg:
        """Compress (h, w, 3) uint8, BGR.

        Raises:
            ValueError: If OpenCV does not write the markers.
        """
        height, width = pixels.shape[:2]
        padded = cv2.copyMakeBorder(
            pixels, 0, -height % TILE[1], 0, -width % TILE[0], cv2.BORDER_REPLICATE
        )
        settings = {
            cv2.IMWRITE_JPEG_QUALITY: quality,
            cv2.IMWRITE_JPEG_RST_INTERVAL: BLOCKS,
            cv2.IMWRITE_JPEG_OPTIMIZE: 1,
        }
        _, file = cv2.imencode('.jpg', padded, [n for item in settings.items() for n in item])
        content = file.tobytes()
        scan = content.index(b'\xff\xda', height_at(content))
        first = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4], 'big')
        at = np.flatnonzero((file[first:-1] == 0xFF) & (file[first + 1 :] & 0xF8 == 0xD0))
        starts = [first, *(at + first + 2).tolist(), len(content)]
        across, down = tiles_of((width, height))
        if len(starts) != across * down + 1:
            raise ValueError(f'{len(starts) - 1} JPEG tiles instead of {across}x{down}')
        return cls((width, height), starts, content)

    def cut(self, box: Box) -> tuple[bytes, Box]:
        """Return a JPEG of the tiles that contain a box, at least one.

        Args:
            box (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels, the last two excluded; it may
                reach outside.

        Returns:
            tuple: The file, and the box that it shows, which may reach into the padding.
        """
        across, down = tiles_of(self.size)
        left, right = _range(box[0], box[2], TILE[0], across)
        top, bottom = _range(box[1], box[3], TILE[1], down)
        content, starts = self.content, self.starts
        at = height_at(content)
        if at is None:
            raise ValueError('the crop is not a JPEG')
        size = ((bottom - top) * TILE[1] << 16 | (right - left) * TILE[0]).to_bytes(4, 'big')
        parts = [content[:at], size, content[at + 4 : starts[0]]]
        number = 0
        for row in range(top * across, bottom * across, across):
            for tile in range(row + left, row + right):
                parts += content[starts[tile] : starts[tile + 1] - 2], _ENDS[number % 8]
                number += 1
        parts[-1] = _LAST
        shown = (left * TILE[0], top * TILE[1], right * TILE[0], bottom * TILE[1])
        return b''.join(parts), shown


def tiles_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return the number of tiles of a picture [w, h] across and down."""
    return -(-size[0] // TILE[0]), -(-size[1] // TILE[1])


def _range(low: int, high: int, tile: int, tiles: int) -> tuple[int, int]:
    """Return the first tile that [low, high] touches along an axis, and the one after the last."""
    first = min(max((low - _BLUR) // tile, 0), tiles - 1)
    return first, max(min(-(-(high + _BLUR) // tile), tiles), first + 1)
