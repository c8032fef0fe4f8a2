# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Images that are decoded when the affine warp knows which pixels it needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Callable, Tuple

import cv2
import numpy as np

from mmpose_ext.datasets.transforms.color_jitter import jitter

from .scratch import scratch
from .warp_geometry import Box, Grid, Rows, largest_scale, source_box, unflipped

#: Directions of flips; bit 0 of the number is the x axis, bit 1 the y axis.
FLIPS = (None, 'horizontal', 'vertical', 'diagonal')
#: Gives memory for an array uint8 of a shape.
Allocator = Callable[[Tuple[int, ...]], np.ndarray]


class DeferredImage(ABC):
    """Pixels to be decoded later: the value of ``results['img']`` between loading and the affine.

    Attributes:
        size (tuple[int, int]): [w, h] of the annotated image.
        direction (str, optional): Direction of all flips together: 'horizontal', 'vertical' or
            'diagonal'; None if they leave the image as it is.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.direction: str | None = None
        self.jitters: list[np.ndarray] = []

    def recolor(self, factors: np.ndarray) -> None:
        """Record a :func:`.jitter` for :meth:`warp`, which then decodes the whole image.

        Args:
            factors (np.ndarray): (3,), of brightness, contrast and saturation.
        """
        self.jitters.append(factors)

    def flip(self, direction: str) -> DeferredImage:
        """Record a flip for :meth:`warp`, after the flips before it."""
        self.direction = FLIPS[FLIPS.index(self.direction) ^ FLIPS.index(direction)]
        return self

    def warp(
        self, matrix: np.ndarray, size: Sequence[int], out: np.ndarray | None = None
    ) -> np.ndarray:
        """Flip the image and move its pixels by an affine function, bilinearly, 0 outside.

        Args:
            matrix (np.ndarray): (2, 3), from pixels of the flipped image to those of the result.
            size (Sequence[int]): [w, h] of the result.
            out (np.ndarray, optional): Memory for the result.

        Returns:
            np.ndarray: (h, w, 3) uint8, BGR.
        """
        pixels, rows = self.source(matrix, size, partial(scratch, 'decoded'))
        return warp_pixels(pixels, self.jitters, rows, size, out)

    def source(
        self, matrix: np.ndarray, size: Sequence[int], allocate: Allocator | None = None
    ) -> tuple[np.ndarray, Rows]:
        """Decode the pixels that a warp needs.

        Args:
            matrix (np.ndarray): (2, 3), from pixels of the flipped image to those of the result.
            size (Sequence[int]): [w, h] of the result.
            allocate (Callable, optional): Gives memory for the pixels, which need not use it.

        Returns:
            tuple[np.ndarray, list[list[float]]]: Pixels (h, w, C) uint8, see :meth:`pixels`, before
            all jitters, and the matrix (2, 3) from them to the result.
        """
        rows = unflipped(np.asarray(matrix).tolist(), self.size, self.direction)
        box = None if self.jitters else source_box(rows, size)
        pixels, grid = self.pixels(largest_scale(rows), box, allocate)
        if grid is not None:
            by_x, by_y, x, y = grid
            rows = [[a * by_x, b * by_y, a * x + b * y + shift] for a, b, shift in rows]
        return pixels, rows

    def largest(self, matrix: np.ndarray) -> tuple[int, int]:
        """Return [w, h] of the most pixels that :meth:`source` decodes for a matrix (2, 3)."""
        return self.size

    @abstractmethod
    def pixels(
        self, scale: float = 1.0, box: Box | None = None, allocate: Allocator | None = None
    ) -> tuple[np.ndarray, Grid | None]:
        """Decode.

        Args:
            scale (float): Pixels of the result per pixel of the image. Below 1, the image may be
                reduced to this scale at most. Defaults to 1.
            box (tuple[int, int, int, int], optional): x1, y1, x2, y2 of the pixels of the image
                that are needed, the last two excluded; the result may have more. Defaults to all.
            allocate (Callable, optional): Gives memory for the pixels, which need not use it.

        Returns:
            tuple: Pixels (h, w, C) uint8, BGR, and their grid in the image, or None if it is the
            image's own. C is 3, or 4 with 255 in the last channel, because OpenCV warps four
            channels faster.
        """


def warp_pixels(
    pixels: np.ndarray,
    jitters: Sequence[np.ndarray],
    rows: Rows,
    size: Sequence[int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Change the colors of an image and move its pixels bilinearly, 0 outside.

    Args:
        pixels (np.ndarray): (h, w, C) uint8, BGR; C is 3 or 4.
        jitters (Sequence[np.ndarray]): Factors (3,) of each :func:`.jitter`, in order.
        rows (list[list[float]]): Affine matrix (2, 3), from the pixels to the result's.
        size (Sequence[int]): [w, h] of the result.
        out (np.ndarray, optional): Memory for the result.

    Returns:
        np.ndarray: (h, w, 3) uint8, BGR.
    """
    if len(jitters):
        pixels = _recolored(pixels, jitters)
    matrix, width, height = np.array(rows), int(size[0]), int(size[1])
    if pixels.shape[2] == 3:
        return cv2.warpAffine(pixels, matrix, (width, height), dst=out)
    warped = scratch('warped', (height, width, 4))
    cv2.warpAffine(pixels, matrix, (width, height), dst=warped)
    return cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR, dst=out)


def _recolored(pixels: np.ndarray, jitters: Sequence[np.ndarray]) -> np.ndarray:
    """Change colors; return four channels, because these are warped faster."""
    height, width = pixels.shape[:2]
    if pixels.shape[2] == 4:
        plain = scratch('plain', (height, width, 3))
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR, dst=plain)
    for factors in jitters:
        pixels = jitter(pixels, factors)
    wide = scratch('recolored', (height, width, 4))
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA, dst=wide)
