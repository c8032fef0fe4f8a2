# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A picture to draw maps, arrows and skeletons on, in input pixels; needs no display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mmpose_ext.utils.sequences import zip_equal

_SHIFT = 4  # cv2 draws at 1/16 pixel


class Frame(NamedTuple):
    """Positions of a map's cells: input pixel = cell * scale + shift, x before y."""

    scale: tuple[float, float]
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of_centers(cls, input_size: Sequence[int], map_size: Sequence[int]) -> Frame:
        """Return the frame of cells that divide the input evenly; sizes are [w, h]."""
        x, y = (n / m for n, m in zip_equal(input_size, map_size))
        return cls((x, y), (0.5 * (x - 1), 0.5 * (y - 1)))

    @classmethod
    def of_corners(cls, input_size: Sequence[int], map_size: Sequence[int]) -> Frame:
        """Return the frame whose corner cells lie on the corner pixels; sizes are [w, h]."""
        steps = zip_equal(input_size, map_size)
        x, y = ((n - 1) / max(m - 1, 1) if n > 1 else 1.0 for n, m in steps)
        return cls((x, y))

    def pixels(self, cells: np.ndarray) -> np.ndarray:
        """Convert (..., 2) cells x, y to (..., 2) input pixels."""
        return np.asarray(cells, float) * self.scale + self.shift


class Canvas:
    """An enlarged image to draw on; all positions are in pixels of the original image.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR; copied.
        zoom (int): Picture pixels per image pixel. Defaults to 1.
        dim (float): Factor of the image's brightness; below 1, drawings stand out. Defaults to 1.

    Attributes:
        picture (np.ndarray): (H * zoom, W * zoom, 3) uint8, BGR.
    """

    def __init__(self, image: np.ndarray, zoom: int = 1, dim: float = 1.0) -> None:
        size = (image.shape[1] * zoom, image.shape[0] * zoom)
        picture = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        self.picture = np.ascontiguousarray(picture * dim, dtype=np.uint8)
        self.zoom = zoom

    def blend(
        self,
        maps: np.ndarray,
        frame: Frame,
        colors: np.ndarray,
        smooth: bool = True,
        opacity: float = 0.8,
    ) -> None:
        """Overlay maps on the picture, each in its color; opaque where the largest value is 1.

        Args:
            maps (np.ndarray): (C, h, w), clipped to between 0 and 1.
            frame (Frame): The cells' positions.
            colors (np.ndarray): (C, 3) BGR.
            smooth (bool): Whether to interpolate. If False, each cell is a block. Defaults to True.
            opacity (float): Opacity of a cell of value 1. Defaults to 0.8.
        """
        maps = np.nan_to_num(np.asarray(maps, np.float32)).clip(0, 1)
        alpha = maps.max(0)
        total = maps.sum(0).clip(min=1e-6)
        # colors are multiplied by alpha first, so interpolation leaves no dark seams
        tint = np.einsum('chw,cd->hwd', maps, np.asarray(colors, np.float32))
        layers = np.dstack([tint * (alpha / total)[..., None], alpha]) * opacity
        layers = self._to_picture(layers.astype(np.float32), frame, smooth)
        picture = self.picture * (1 - layers[..., 3:]) + layers[..., :3]
        self.picture = np.ascontiguousarray(picture.clip(0, 255), dtype=np.uint8)

    def _to_picture(self, layers: np.ndarray, frame: Frame, smooth: bool) -> np.ndarray:
        """Resample (h, w, C) cells at the picture's pixels; 0 outside the map."""
        matrix = np.zeros((2, 3))
        for axis, (scale, shift) in enumerate(zip_equal(frame.scale, frame.shift)):
            matrix[axis, axis] = 1 / (self.zoom * scale)
            matrix[axis, 2] = ((0.5 / self.zoom - 0.5) - shift) / scale
        flags = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        size = self.picture.shape[1::-1]
        return cv2.warpAffine(layers, matrix, size, flags=flags | cv2.WARP_INVERSE_MAP)

    def lines(
        self, starts: np.ndarray, ends: np.ndarray, color: Sequence[float], width: int = 1
    ) -> None:
        """Draw lines between (M, 2) starts and ends."""
        if len(starts):
            lines = np.stack([self._fixed(starts), self._fixed(ends)], 1)
            self._polylines(lines, color, width)

    def arrows(
        self, starts: np.ndarray, ends: np.ndarray, color: Sequence[float], head: float = 4.0
    ) -> None:
        """Draw arrows from (M, 2) starts to ends; ``head`` is in picture pixels."""
        if not len(starts):
            return
        self.lines(starts, ends, color)
        starts, ends = np.asarray(starts, float), np.asarray(ends, float)
        back = starts - ends
        length = np.linalg.norm(back, axis=-1, keepdims=True).clip(min=1e-6)
        back = back / length * np.minimum(head / self.zoom, 0.5 * length)
        side = back[:, ::-1] * (0.6, -0.6)
        heads = np.stack([self._fixed(p) for p in (ends + back + side, ends, ends + back - side)])
        self._polylines(heads.swapaxes(0, 1), color, 1)

    def dots(
        self, points: np.ndarray, color: Sequence[float], radius: float = 3.0, filled: bool = True
    ) -> None:
        """Draw dots at (M, 2) points; ``radius`` is in picture pixels."""
        for x, y in self._fixed(points) if len(points) else ():
            at, size = (int(x), int(y)), round(radius * (1 << _SHIFT))
            cv2.circle(
                self.picture, at, size, _bgr(color), -1 if filled else 1, cv2.LINE_AA, _SHIFT
            )

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        """Convert (..., 2) pixels to cv2's fixed-point picture positions, clipped to its range."""
        points = (np.asarray(points, float) + 0.5) * self.zoom - 0.5
        return np.round(points.clip(-1e5, 1e5) * (1 << _SHIFT)).astype(np.int32)

    def _polylines(self, lines: np.ndarray, color: Sequence[float], width: int) -> None:
        lines = np.ascontiguousarray(lines)
        cv2.polylines(
            self.picture, list(lines), False, _bgr(color), width, cv2.LINE_AA, shift=_SHIFT
        )


def palette(number: int) -> np.ndarray:
    """Return ``number`` different bright colors, (number, 3) BGR, in rainbow order."""
    hues = np.arange(number) * (170 / max(number, 1))
    hsv = np.full((1, number, 3), 255, np.uint8)
    hsv[..., 0], hsv[..., 1] = hues, 210
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0].astype(float) if number else np.zeros((0, 3))


def _bgr(color: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(c) for c in color)
