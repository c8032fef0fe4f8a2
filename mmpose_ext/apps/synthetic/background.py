# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Paint backgrounds, foreground objects and the effects of a camera."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

from .canvas import Canvas
from .clothing import color, skin_color

OBJECT_LABEL = -1
# kind, (P, 2) points or ends, radius, color
Thing = Tuple[str, np.ndarray, float, np.ndarray]


def _ramp(
    size: tuple[int, int], first: np.ndarray, second: np.ndarray, direction: float
) -> np.ndarray:
    """Return a gradient between two colors, (h, w, 3) float32."""
    width, height = size
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None] * np.float32(np.cos(direction))
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(direction))
    return first + np.clip(x + y + 0.5, 0, 1)[..., None] * (second - first)


def _cloud(
    rng: np.random.Generator, size: tuple[int, int], cells: int, channels: int = 1
) -> np.ndarray:
    """Return smooth noise, about N(0, 1), with about ``cells`` bumps: (h, w, channels) float32."""
    width, height = size
    rows = max(2, round(cells * height / width))
    noise = rng.standard_normal((rows, max(2, cells), channels), dtype=np.float32)
    return cv2.resize(noise, size, interpolation=cv2.INTER_LINEAR).reshape(height, width, channels)


def _muted(rng: np.random.Generator) -> np.ndarray:
    return color(rng, saturation=(0.02, 0.5), value=(0.3, 0.95))


def paint_background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Paint a random scene without people.

    Args:
        size (tuple[int, int]): (w, h) in pixels.

    Returns:
        np.ndarray: (h, w, 3) float32, BGR, 0 to 255.
    """
    width, height = size
    unit = min(width, height)
    image = _ramp(size, _muted(rng), _muted(rng), rng.uniform(0, 2 * np.pi))
    horizon = None
    if rng.random() < 0.65:
        # Floor or ground: a second surface below a wall or the sky.
        horizon = int(height * rng.uniform(0.45, 0.85))
        ground = _ramp((width, height - horizon), _muted(rng), _muted(rng), np.pi / 2)
        image[horizon:] = ground
    image += _cloud(rng, size, int(rng.integers(3, 9)), 3) * rng.uniform(2, 12)
    image += _cloud(rng, size, int(rng.integers(30, 90))) * rng.uniform(0, 7)
    if rng.random() < 0.3:
        _stripes(rng, image[:horizon])
    canvas = Canvas(image)
    for _ in range(int(rng.integers(0, 6))):
        _shape(rng, canvas, unit)
    for _ in range(int(rng.integers(0, 4))):
        _decoy(rng, canvas, unit)
    image = canvas.image
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2) * unit / 240)
    return np.clip(image, 0, 255)


def _stripes(rng: np.random.Generator, region: np.ndarray) -> None:
    """Draw wallpaper, boards or tiles over a region, in place."""
    height, width = region.shape[:2]
    wave = np.float32(2 * np.pi / (width * rng.uniform(0.04, 0.16)))
    x = np.arange(width, dtype=np.float32)[None, :, None] * wave
    y = np.arange(height, dtype=np.float32)[:, None, None] * wave
    kind = rng.integers(3)
    wave = (np.sin(x) + 0 * y, np.sin(y) + 0 * x, np.sin(x) * np.sin(y))[kind]
    region += np.clip(wave * 3, -1, 1) * rng.uniform(4, 22) * rng.choice((-1.0, 1.0))


def _shape(rng: np.random.Generator, canvas: Canvas, unit: int) -> None:
    """Draw a picture frame, a bush, a box or a splinter."""
    height, width = canvas.labels.shape
    center = rng.uniform(0, 1, 2) * (width, height)
    radius = unit * rng.uniform(0.05, 0.28)
    tint = _muted(rng)
    if rng.random() < 0.3:
        canvas.ellipse(
            center,
            (radius, radius * rng.uniform(0.4, 1)),
            rng.uniform(0, 3),
            tint,
            None,
            rng.uniform(0, 0.4),
        )
        return
    corners = int(rng.integers(3, 6))
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 6)
    if corners == 4 or rng.random() < 0.5:
        turn = np.deg2rad((45, 135, 225, 315)) + rng.normal(0, 0.05)
    shape = center + np.stack((np.cos(turn), np.sin(turn)), -1) * radius * rng.uniform(0.5, 1.5, 2)
    canvas.polygons([shape.astype(np.float32)], tint, None, soft=radius * rng.uniform(0, 0.3))


def _decoy(rng: np.random.Generator, canvas: Canvas, unit: int) -> None:
    """Draw a shape like a limb that belongs to nobody: a post, a branch, a bottle or a ball."""
    height, width = canvas.labels.shape
    start = rng.uniform(0, 1, 2) * (width, height)
    angle, length = rng.uniform(0, 2 * np.pi), unit * rng.uniform(0.06, 0.4)
    end = start + length * np.array((np.cos(angle), np.sin(angle)))
    tint = skin_color(rng) if rng.random() < 0.25 else color(rng)
    radii = unit * rng.uniform(0.008, 0.03, 2)
    canvas.capsule(start, end, radii, tint, None, 0.4)
    if rng.random() < 0.25:
        canvas.ellipse(start, (unit * rng.uniform(0.02, 0.05),) * 2, 0, tint * 0.8, None, 0.4)


def sample_object(rng: np.random.Generator, size: tuple[int, int]) -> Thing:
    """Sample an object in front of people: (kind, (P, 2) points or ends, radius, color)."""
    width, height = size
    unit = min(width, height)
    x = rng.uniform(0.05, 0.95) * width
    kind = ('post', 'box', 'bush', 'rail')[rng.integers(4)]
    tint = color(rng, saturation=(0.05, 0.7), value=(0.2, 0.9))
    if kind == 'post':
        slant = rng.normal(0, 0.04) * unit
        points = np.array([(x, height * 1.05), (x + slant, height * rng.uniform(-0.1, 0.5))])
        return kind, points, unit * rng.uniform(0.012, 0.035), tint
    if kind == 'rail':
        y = height * rng.uniform(0.55, 0.9)
        points = np.array([(-9.0, y), (width + 9.0, y + rng.normal(0, 0.04) * unit)])
        return kind, points, unit * rng.uniform(0.01, 0.02), tint
    half = unit * rng.uniform((0.06, 0.06), (0.2, 0.15))
    y = height * rng.uniform(0.75, 1.0)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + (x, y)
    return kind, corners, unit * 0.02, tint


def draw_object(canvas: Canvas, thing: Thing, label: int | None = OBJECT_LABEL) -> None:
    """Paint an object from :func:`sample_object`."""
    kind, points, radius, tint = thing
    if kind in ('post', 'rail'):
        canvas.capsule(points[0], points[1], (radius, radius), tint, label, 0.5)
    elif kind == 'box':
        canvas.polygons([points.astype(np.float32)], tint, label, soft=radius * 1.5)
    else:
        half = (points[2] - points[0]) / 2
        for shift in ((-0.5, 0.3), (0.5, 0.25), (0, -0.2)):
            canvas.ellipse(points.mean(0) + half * shift, half * 0.75, 0, tint, label, 0.5)


def expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Apply lighting, white balance, contrast, blur and sensor noise; return (h, w, 3) uint8."""
    height, width = image.shape[:2]
    image = image * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    contrast = rng.uniform(0.8, 1.12)
    image = (image - 120) * np.float32(contrast) + np.float32(120 + rng.uniform(-20, 22))
    if rng.random() < 0.4:
        image = image * _ramp(
            (width, height),
            np.float32(rng.uniform(0.65, 0.95)),
            np.float32(rng.uniform(1.0, 1.15)),
            rng.uniform(0, 6.3),
        )
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9) * min(height, width) / 240)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32)
    image = image + grain * np.float32(rng.uniform(0.5, 3))
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
