# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Paint the head in any direction: skull, hair, ears, face and hat."""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np

from .canvas import Canvas
from .clothing import Look
from .person import Person

# (x, y, z) in radii of the head, in its own axes -> the place in the image, and the depth
Spot = Callable[[float, float, float], np.ndarray]
Near = Callable[[float, float, float], float]


def paint_head(canvas: Canvas, person: Person, label: int, hair_label: int) -> None:
    """Paint a person's head.

    The hairline is a plane through the head: pixels of the visible half-sphere behind or above it
    are hair. The face is therefore fully, half or not visible as the head turns.
    """
    look, rotation = person.look, person.figure.head
    radius = person.body.head * person.scale
    center = person.project(person.figure.points['head'])

    def spot(x: float, y: float, z: float) -> np.ndarray:
        return center + (rotation @ np.array((x, y, z)))[:2] * (radius, -radius)

    def near(x: float, y: float, z: float) -> float:
        return (rotation @ np.array((x, y, z)))[2]

    _ears(canvas, look, spot, near, radius, label)
    _skull(canvas, look, rotation, center, radius, label)
    _face(canvas, look, spot, near, radius, label)
    _hair_on_top(canvas, look, spot, near, radius, label, hair_label)
    _hat(canvas, look, spot, rotation, radius, label)


def paint_hanging_hair(canvas: Canvas, person: Person, label: int) -> None:
    """Paint long hair that hangs behind the head; seen from the front, it is behind the trunk."""
    rotation, radius = person.figure.head, person.body.head * person.scale
    center = person.project(person.figure.points['head'])
    top, tip = (
        center + (rotation @ end)[:2] * (radius, -radius)
        for end in ((0, 0.15, -0.28), (0, -1.5, -0.45))
    )
    canvas.capsule(top, tip, (radius * 0.97, radius * 0.74), person.look.hair * 0.92, label)


def _ears(canvas: Canvas, look: Look, spot: Spot, near: Near, radius: float, label: int) -> None:
    for sign in (1, -1):
        if near(sign, 0, -0.1) < 0.5:
            canvas.ellipse(
                spot(0.9 * sign, -0.02, -0.05),
                (radius * 0.2, radius * 0.24),
                0,
                look.skin * 0.9,
                label,
            )


def _skull(
    canvas: Canvas,
    look: Look,
    rotation: np.ndarray,
    center: np.ndarray,
    radius: float,
    label: int,
) -> None:
    inverse = rotation.T.astype(np.float32)
    bald = look.hair_style == 'bald'

    def paint(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        # The visible half-sphere's points in the head's own axes.
        w = np.sqrt(np.clip(1 - u * u - v * v, 0, None))
        y = inverse[1, 0] * u - inverse[1, 1] * v + inverse[1, 2] * w
        z = inverse[2, 0] * u - inverse[2, 1] * v + inverse[2, 2] * w
        if bald:
            hair = np.clip((-0.25 - z) * 6, 0, 1) * np.clip((0.15 - y) * 6, 0, 1)
        else:
            # Behind the ears, or above the brow.
            hair = np.clip(np.maximum((0.06 - z + 0.25 * y) * 7, (y - 0.52) * 8), 0, 1)
            hair = hair * np.clip((y + 0.85) * 8, 0, 1)
        color = look.skin + hair[..., None] * (look.hair - look.skin)
        if look.beard:
            chin = np.clip((-0.38 - y) * 8, 0, 1) * np.clip((z - 0.1) * 6, 0, 1)
            color = color + chin[..., None] * (look.hair * 0.9 - color)
        return color

    up = rotation[:2, 1] * (1, -1)
    angle = np.arctan2(up[1], up[0]) + np.pi / 2 if np.hypot(*up) > 0.3 else 0.0
    stretch = 1 + 0.1 * np.hypot(*up)
    # The ellipse's axes turn with the head, but the paint needs the image's axes.
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    canvas.ellipse(
        center,
        (radius * 0.93, radius * stretch),
        angle,
        lambda u, v: paint(u * cos - v * sin, u * sin + v * cos),
        label,
        0.25,
    )
    # A near ear lies on the side of the skull.
    for sign in (1, -1):
        if (rotation @ (sign, 0, -0.1))[2] >= 0.5:
            ear = center + (rotation @ (0.84 * sign, -0.03, -0.05))[:2] * (radius, -radius)
            canvas.ellipse(ear, (radius * 0.2, radius * 0.27), angle, look.skin * 0.85, label, 0.5)


def _face(canvas: Canvas, look: Look, spot: Spot, near: Near, radius: float, label: int) -> None:
    dark = np.array((30, 25, 25), np.float32)
    for sign in (1, -1):
        if near(0.36 * sign, 0.14, 0.86) < 0.12:
            continue
        eye = spot(0.36 * sign, 0.14, 0.86)
        canvas.ellipse(eye, (radius * 0.2, radius * 0.17), 0, np.full(3, 245, np.float32), label, 0)
        canvas.ellipse(
            spot(0.36 * sign, 0.13, 0.9), (radius * 0.11, radius * 0.13), 0, dark, label, 0
        )
        inner, outer = (spot(0.36 * sign + d, 0.4, 0.84) for d in (-0.16, 0.16))
        canvas.capsule(inner, outer, (radius * 0.05,) * 2, look.hair * 0.7, label, 0)
        if look.glasses:
            _rim(canvas, eye, radius * 0.27, dark, label)
    if near(0, -0.12, 0.98) > -0.15:
        canvas.capsule(
            spot(0, 0.1, 0.92),
            spot(0, -0.12, 1.02),
            (radius * 0.06, radius * 0.13),
            look.skin * 0.84,
            label,
            0.3,
        )
    if near(0, -0.5, 0.85) > 0.1:
        canvas.capsule(
            spot(0.22, -0.46, 0.85),
            spot(-0.22, -0.46, 0.85),
            (radius * 0.06,) * 2,
            look.skin * np.array((0.5, 0.45, 0.72), np.float32),
            label,
            0,
        )


def _rim(canvas: Canvas, center: np.ndarray, radius: float, color: np.ndarray, label: int) -> None:
    turn = np.linspace(0, 2 * np.pi, 9)
    rim = center + np.stack((np.cos(turn), np.sin(turn)), -1) * radius
    for start, end in zip(rim[:-1], rim[1:]):
        canvas.capsule(start, end, (max(0.5, radius * 0.12),) * 2, color, label, 0)


def _hair_on_top(
    canvas: Canvas,
    look: Look,
    spot: Spot,
    near: Near,
    radius: float,
    label: int,
    hair_label: int,
) -> None:
    if look.hair_style == 'tail' and near(0, 0, -1) > -0.6:
        canvas.capsule(
            spot(0, 0.5, -1.0),
            spot(0, -1.1, -1.15),
            (radius * 0.24, radius * 0.14),
            look.hair * 0.85,
            hair_label,
        )
    elif look.hair_style == 'bun':
        canvas.ellipse(
            spot(0, 1.05, -0.45), (radius * 0.42, radius * 0.38), 0, look.hair * 0.9, label
        )


def _hat(
    canvas: Canvas, look: Look, spot: Spot, rotation: np.ndarray, radius: float, label: int
) -> None:
    if look.hat == 'none' or rotation[2, 1] < -0.75:
        return
    crown = [
        spot(np.sin(a) * 0.97, 0.42, np.cos(a) * 0.97 - 0.05)
        for a in np.linspace(0, 2 * np.pi, 10, endpoint=False)
    ]
    top = [
        spot(np.sin(a) * 0.6, 1.02, np.cos(a) * 0.6 - 0.05)
        for a in np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ]
    hull = cv2.convexHull(np.array(crown + top, np.float32))[:, 0]
    canvas.polygons([hull], look.hat_color, label, soft=radius * 0.5)
    if look.hat == 'cap':
        brim = np.array(
            [
                spot(x, 0.46, z)
                for x, z in ((0.75, 0.6), (0.6, 1.35), (0, 1.6), (-0.6, 1.35), (-0.75, 0.6))
            ],
            np.float32,
        )
        brim = cv2.convexHull(brim)[:, 0]
        if rotation[2, 2] > -0.2:
            canvas.polygons([brim], look.hat_color * 0.75, label)
