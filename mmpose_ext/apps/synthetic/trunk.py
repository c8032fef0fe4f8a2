# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw the neck, the trunk with its shirt and collar, skirts and backpacks."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas
from .clothing import pattern
from .person import BACKPACK, NECK, SKIRT, TRUNK, Person
from .skeleton import SIDES


def draw_neck(canvas: Canvas, person: Person) -> None:
    """Draw the neck."""
    points = person.figure.points
    canvas.capsule(
        person.project(points['chest']),
        person.project(points['head']),
        np.multiply((0.034, 0.03), person.scale * person.body.girth**0.5),
        person.look.skin * 0.93,
        person.label(NECK),
    )


def _rounded_hull(centers: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return the convex hull (P, 2) of circles with centers (C, 2) and radii (C,)."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = np.stack((np.cos(turn), np.sin(turn)), -1)
    points = (centers[:, None] + rim * radii[:, None, None]).reshape(-1, 2)
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def trunk_shapes(person: Person) -> list[np.ndarray]:
    """Return chest and belly as two convex polygons (P, 2) in pixels."""
    points, body = person.figure.points, person.body
    chest, pelvis = person.figure.chest, person.figure.pelvis
    ribs = points['chest'] + chest @ (0, -0.09, 0)
    depth, girth = 0.022 * body.girth, body.girth
    waist = [points['waist'] + pelvis @ (s * 0.035 * girth, 0, 0) for s in (1, -1)]
    shoulders = [points[f'{s}_shoulder'] for s in SIDES]
    middle = [ribs + chest @ (0, 0, s * depth) for s in (1, -1)]
    hips = [points[f'{s}_hip'] for s in SIDES]
    upper = _rounded_hull(
        person.project(shoulders + middle + waist),
        person.scale
        * np.array([0.033, 0.033, 0.058 * girth, 0.058 * girth, 0.056 * girth, 0.056 * girth]),
    )
    lower = _rounded_hull(
        person.project(waist + hips), person.scale * girth * np.array([0.056, 0.056, 0.062, 0.062])
    )
    return [upper, lower]


def draw_trunk(canvas: Canvas, person: Person) -> None:
    """Draw chest and belly with the shirt and its collar."""
    look, points, label = person.look, person.figure.points, person.label(TRUNK)
    scale, chest = person.scale, person.figure.chest
    pelvis, top = person.project(points['pelvis']), person.project(points['chest'])
    up = (top - pelvis) / max(np.hypot(*(top - pelvis)) / scale, 0.08)
    # The trunk's left in the image. If it points at the viewer, a short axis would enlarge the
    # pattern, so its length has a minimum.
    left = np.array((-up[1], up[0])) * (1 if chest[2, 2] >= 0 else -1) / np.hypot(*up)
    left = left * scale * max(abs(chest[2, 2]), 0.45)
    shirt, below = pattern(look), look.bottom_color

    def paint(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        mix = np.clip((v - 0.055) * scale * 0.5, 0, 1)[..., None]
        return below + mix * (shirt(u, v) - below)

    canvas.polygons(trunk_shapes(person), paint, label, (pelvis, left, up), soft=scale * 0.045)
    if chest[2, 2] > 0.15:
        _draw_neckline(canvas, person, label)


def _draw_neckline(canvas: Canvas, person: Person, label: int) -> None:
    """Draw a collar, buttons or an open jacket, which only the front of a trunk has."""
    look, points, chest = person.look, person.figure.points, person.figure.chest
    front = points['chest'] + chest @ (0, 0, 0.06)

    def at(x: float, y: float) -> np.ndarray:
        return person.project(front + chest @ (x, y, 0))

    dark = look.shirt * 0.55
    thick = person.scale * 0.006
    if look.neckline in ('open', 'collar'):
        bottom = points['waist'] + person.figure.pelvis @ (0, -0.04, 0.06)
        color = look.shirt_second if look.neckline == 'open' else dark
        canvas.capsule(
            at(0, 0),
            person.project(bottom),
            (thick * (4 if look.neckline == 'open' else 1),) * 2,
            color,
            label,
            0.1,
        )
    depth = {'round': 0.035, 'v': 0.085, 'open': 0.06, 'collar': 0.04}[look.neckline]
    hull = _rounded_hull(
        np.array([at(0.034, 0.012), at(-0.034, 0.012), at(0, -depth)]),
        person.scale * np.array([0.006, 0.006, 0.02 if look.neckline == 'round' else 0.005]),
    )
    canvas.polygons([hull], look.skin * 0.97, label)


def draw_skirt(canvas: Canvas, person: Person) -> None:
    """Draw a skirt over the thighs."""
    look, points = person.look, person.figure.points
    hips, hems = [], []
    for side in SIDES:
        hip, knee = points[f'{side}_hip'], points[f'{side}_knee']
        hips.append(hip)
        hems.append(hip + (knee - hip) * look.bottom_length * 0.95)
    girth = person.body.girth
    hull = _rounded_hull(
        person.project(hips + hems), person.scale * girth * np.array([0.063, 0.063, 0.062, 0.062])
    )
    canvas.polygons([hull], look.bottom_color, person.label(SKIRT), soft=person.scale * 0.045)


def draw_backpack(canvas: Canvas, person: Person) -> None:
    """Draw a backpack."""
    points, chest = person.figure.points, person.figure.chest
    back = points['chest'] + chest @ (0, 0, -0.09)
    corners = [
        back + chest @ (x, y, z)
        for x in (0.06, -0.06)
        for y in (-0.03, -0.19)
        for z in (-0.015, 0.025)
    ]
    hull = _rounded_hull(person.project(corners), np.full(8, 0.022 * person.scale))
    canvas.polygons(
        [hull], person.look.backpack_color, person.label(BACKPACK), soft=person.scale * 0.035
    )
