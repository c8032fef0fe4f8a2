# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A picture to paint on, together with a map of the topmost object at each pixel."""

from __future__ import annotations

from typing import Callable, Sequence, Union

import cv2
import numpy as np

SHIFT = 4  # fractional bits of the coordinates given to OpenCV

# (along, across) of a shape's pixels -> (h, w, 3) colors
PaintFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
# a function, or one color (3,)
Paint = Union[np.ndarray, PaintFunction]
Point = Union[np.ndarray, Sequence[float]]


class Canvas:
    """An image under construction.

    Attributes:
        image (np.ndarray): (h, w, 3) float32, BGR, 0 to 255.
        labels (np.ndarray): (h, w) int32, the label of the topmost shape, 0 for the background.
        light (np.ndarray): (2,) direction of the light source, in the image's x and y.
    """

    def __init__(self, image: np.ndarray, light: Point = (-0.5, -0.6)) -> None:
        self.image = image.astype(np.float32, copy=False)
        self.labels = np.zeros(image.shape[:2], np.int32)
        self.light = np.asarray(light, np.float32)
        height, width = image.shape[:2]
        self._x = np.arange(width, dtype=np.float32)[None]
        self._y = np.arange(height, dtype=np.float32)[:, None]

    def window(self, points: np.ndarray, margin: float) -> tuple[slice, slice] | None:
        """Return the rows and columns of the image around points (P, 2); None if there are none."""
        height, width = self.labels.shape
        x0, y0 = np.floor(points.min(axis=0) - margin).astype(int)
        x1, y1 = np.ceil(points.max(axis=0) + margin).astype(int) + 1
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def blend(
        self,
        window: tuple[slice, slice],
        alpha: np.ndarray,
        color: np.ndarray,
        label: int | None,
    ) -> None:
        """Paint colors over a window with alpha (h, w), 0 to 1; label None keeps the labels."""
        region = self.image[window]
        region += alpha[..., None] * (color - region)
        if label is not None:
            self.labels[window][alpha > 0.5] = label

    def capsule(
        self,
        start: Point,
        end: Point,
        radii: Point,
        paint: Paint,
        label: int | None,
        shading: float = 0.38,
    ) -> None:
        """Paint a rounded cone from start to end (x, y), with its radius at each end in pixels.

        ``paint`` is a color, or a function of (along, across): along runs from 0 at start to 1 at
        end, and across from -1 to 1. ``shading`` darkens the rim and lights one side, like a
        tube's.
        """
        start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
        window = self.window(np.stack((start, end)), max(radii) + 1)
        if window is None:
            return
        axis = end - start
        length = float(axis @ axis) + 1e-6
        dx, dy = self._x[:, window[1]] - start[0], self._y[window[0]] - start[1]
        along = np.clip((dx * axis[0] + dy * axis[1]) / length, 0, 1)
        dx, dy = dx - along * axis[0], dy - along * axis[1]
        radius = radii[0] + along * (radii[1] - radii[0])
        distance = np.sqrt(dx * dx + dy * dy)
        alpha = np.clip(radius - distance + 0.5, 0, 1)
        if shading:
            lit = (dx * self.light[0] + dy * self.light[1]) / radius
            shade = 1.04 - shading * (distance / radius) ** 2 + 0.16 * lit
        else:
            shade = np.ones_like(alpha)
        if callable(paint):
            across = (dy * axis[0] - dx * axis[1]) / (np.sqrt(length) * radius)
            color = paint(along, across)
        else:
            color = paint
        self.blend(window, alpha, np.clip(shade[..., None] * color, 0, 255), label)

    def ellipse(
        self,
        center: Point,
        axes: Point,
        angle: float,
        paint: Paint,
        label: int | None,
        shading: float = 0.3,
    ) -> None:
        """Paint a filled ellipse with half-axes in pixels and the first axis's angle in radians.

        ``paint`` is a color, or a function of (u, v), the position in half-axes from -1 to 1.
        """
        center = np.asarray(center, np.float32)
        window = self.window(center[None], max(axes) + 1)
        if window is None:
            return
        dx, dy = self._x[:, window[1]] - center[0], self._y[window[0]] - center[1]
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = (dx * cos + dy * sin) / axes[0], (dy * cos - dx * sin) / axes[1]
        norm = np.sqrt(u * u + v * v)
        alpha = np.clip((1 - norm) * min(axes) + 0.5, 0, 1)
        color = paint(u, v) if callable(paint) else paint
        if shading:
            lit = (dx * self.light[0] + dy * self.light[1]) / max(axes)
            shade = 1.03 - shading * norm * norm + 0.12 * lit
            color = np.clip(shade[..., None] * color, 0, 255)
        self.blend(window, alpha, color, label)

    def polygons(
        self,
        shapes: list[np.ndarray],
        paint: Paint,
        label: int | None,
        frame: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        shading: float = 0.45,
        soft: float = 0.0,
    ) -> None:
        """Paint the union of convex polygons, each (P, 2), in pixels.

        ``paint`` is a color, or a function of (u, v) measured in ``frame``: (origin (2,), u axis
        (2,), v axis (2,)), where the axes are pixel vectors of length 1 unit. ``soft`` is the width
        of the darker rim in pixels.
        """
        window = self.window(np.concatenate(shapes), 2)
        if window is None:
            return
        origin = (window[1].start, window[0].start)
        mask = np.zeros(self.labels[window].shape, np.uint8)
        for shape in shapes:
            fixed = np.round((shape - origin) * (1 << SHIFT)).astype(np.int32)
            cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, SHIFT)
        alpha = mask.astype(np.float32) / 255
        if callable(paint):
            assert frame is not None
            start, u_axis, v_axis = frame
            dx, dy = self._x[:, window[1]] - start[0], self._y[window[0]] - start[1]
            u = (dx * u_axis[0] + dy * u_axis[1]) / (u_axis @ u_axis)
            v = (dx * v_axis[0] + dy * v_axis[1]) / (v_axis @ v_axis)
            color = paint(u, v)
        else:
            color = paint
        if soft >= 1:
            size = 2 * int(soft) + 1
            inside = cv2.blur(alpha, (size, size), borderType=cv2.BORDER_REPLICATE)
            shade = 1.03 - shading * 2 * np.clip(1 - inside, 0, 0.5)
            color = np.clip(shade[..., None] * color, 0, 255)
        self.blend(window, alpha, color, label)
