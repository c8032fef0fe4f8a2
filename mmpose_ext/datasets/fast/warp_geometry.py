# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Affine matrices as lists: which source pixels a warp needs, and at which scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, List, Tuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Factors by which libjpeg and OpenCV can reduce an image while they decode it.
FACTORS = (2, 4, 8)
#: x1, y1, x2, y2 in pixels, the last two excluded.
Box = Tuple[int, int, int, int]
#: by_x, by_y, x, y: pixel (i, j) of a part or of a reduced image is pixel (by_x i + x, by_y j + y)
#: of the image.
Grid = Tuple[float, float, float, float]
#: An affine matrix (2, 3) as lists, which are faster than numpy for six numbers.
Rows = List[List[float]]


def reduction(scale: float) -> int:
    """Return the largest of 1, 2, 4 and 8 that leaves a source pixel per pixel of the result.

    Args:
        scale (float): Pixels of the result per pixel of the source.
    """
    return next((by for by in reversed(FACTORS) if by * scale <= 1), 1)


def enlargement(
    by: int, size: tuple[int, int] = (0, 0), turned: tuple[bool, bool] = (False, False)
) -> Grid:
    """Return the grid of an image reduced by ``by``.

    Args:
        by (int): The factor.
        size (tuple[int, int]): [w, h] of the image. Defaults to multiples of ``by``.
        turned (tuple[bool, bool]): Whether the image was turned around along x and y after it was
            reduced. The decoder pads the sides to multiples of ``by`` at the right and bottom,
            which is then the left or top. Defaults to neither.
    """
    padding = (-side % by if end else 0 for side, end in zip(size, turned))
    x, y = ((by - 1) / 2 - more for more in padding)
    return by, by, x, y


def largest_scale(rows: Rows) -> float:
    """Return the larger scale of an affine matrix (2, 3), its largest singular value."""
    (a, b, _), (c, d, _) = rows
    half, cross = (a * a + b * b + c * c + d * d) / 2, a * d - b * c
    return math.sqrt(half + math.sqrt(max(half * half - cross * cross, 0.0)))


def source_box(rows: Rows, size: Sequence[int]) -> Box:
    """Return the source pixels that a bilinear warp reads; they may be outside the source.

    Args:
        rows (list[list[float]]): (2, 3), from the source's pixels to the result's.
        size (Sequence[int]): [w, h] of the result.
    """
    (a, b, x), (c, d, y) = rows
    cross = a * d - b * c
    by = 1 / cross if cross else 0.0  # as OpenCV inverts it
    box = []
    for along, across in ((d, -b), (-c, a)):
        right, down = along * by * (size[0] - 1), across * by * (size[1] - 1)
        start = -(along * x + across * y) * by
        low, high = min(right, 0) + min(down, 0), max(right, 0) + max(down, 0)
        box.append((math.floor(start + low) - 1, math.floor(start + high) + 3))
    return box[0][0], box[1][0], box[0][1], box[1][1]


def unflipped(rows: Rows, size: tuple[int, int], direction: str | None) -> Rows:
    """Convert an affine matrix (2, 3) of a flipped image [w, h] to one of the original image."""
    right, bottom = size[0] - 1, size[1] - 1
    if direction in ('horizontal', 'diagonal'):
        rows = [[-a, b, a * right + shift] for a, b, shift in rows]
    if direction in ('vertical', 'diagonal'):
        rows = [[a, -b, b * bottom + shift] for a, b, shift in rows]
    return rows
