# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw arms, legs and feet: tubes covered by a sleeve or trousers up to a point, then skin."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Paint, Point
from .clothing import pattern
from .person import FOOT, FOREARM, SHANK, THIGH, UPPER_ARM, Person


def _limb(
    canvas: Canvas, person: Person, start: str, end: str, radii: Point, paint: Paint, part: int
) -> None:
    """Draw a tapered tube between two landmarks; radii are in standing heights."""
    points = person.figure.points
    canvas.capsule(
        person.project(points[start]),
        person.project(points[end]),
        np.multiply(radii, person.scale),
        paint,
        person.label(part),
    )


def _cut(length: float, covered: np.ndarray, bare: np.ndarray) -> Paint:
    """Return a paint: ``covered`` up to ``length`` (0 to 1) along the limb, then ``bare``."""
    if length >= 1:
        return covered
    if length <= 0:
        return bare

    def paint(along: np.ndarray, across: np.ndarray) -> np.ndarray:
        mix = np.clip((along - length) * 30, 0, 1)[..., None]
        return covered + mix * (bare - covered)

    return paint


def draw_upper_arm(canvas: Canvas, person: Person, side: str) -> None:
    """Draw the upper arm of one side, with its sleeve."""
    look, girth = person.look, person.body.girth
    sleeve = look.shirt_second if look.shirt_pattern == 'block' else look.shirt
    stripes = pattern(look)

    def striped(along: np.ndarray, across: np.ndarray) -> np.ndarray:
        cloth = stripes(0 * across, along * person.body.upper_arm)
        mix = np.clip((along - look.sleeve) * 30, 0, 1)[..., None]
        return cloth + mix * (look.skin - cloth)

    has_stripes = look.shirt_pattern == 'hstripes' and look.sleeve > 0.1
    paint = striped if has_stripes else _cut(look.sleeve, sleeve, look.skin)
    _limb(
        canvas,
        person,
        f'{side}_shoulder',
        f'{side}_elbow',
        (0.037 * girth, 0.028 * girth),
        paint,
        UPPER_ARM[side],
    )


def draw_forearm(canvas: Canvas, person: Person, side: str) -> None:
    """Draw the forearm and hand of one side, with the sleeve if it reaches that far."""
    look, girth = person.look, person.body.girth
    sleeve = look.shirt_second if look.shirt_pattern == 'block' else look.shirt
    _limb(canvas, person, f'{side}_wrist', f'{side}_hand', (0.018, 0.026), look.skin, FOREARM[side])
    _limb(
        canvas,
        person,
        f'{side}_elbow',
        f'{side}_wrist',
        (0.028 * girth, 0.02 * girth),
        _cut(look.sleeve - 1, sleeve, look.skin),
        FOREARM[side],
    )


def draw_thigh(canvas: Canvas, person: Person, side: str) -> None:
    """Draw the thigh of one side, with its trouser leg."""
    look, girth = person.look, person.body.girth
    bare = look.bottom in ('skirt', 'dress')
    paint = look.skin if bare else _cut(look.bottom_length, look.bottom_color, look.skin)
    _limb(
        canvas,
        person,
        f'{side}_hip',
        f'{side}_knee',
        (0.062 * girth, 0.043 * girth),
        paint,
        THIGH[side],
    )


def draw_shank(canvas: Canvas, person: Person, side: str) -> None:
    """Draw the lower leg of one side, with the trouser leg if it reaches that far."""
    look, girth = person.look, person.body.girth
    if look.bottom == 'trousers':
        paint = _cut(look.bottom_length - 1, look.bottom_color, look.socks)
    else:
        paint = _cut(0.78, look.skin, look.socks)
    _limb(
        canvas,
        person,
        f'{side}_knee',
        f'{side}_ankle',
        (0.041 * girth, 0.025 * girth),
        paint,
        SHANK[side],
    )


def draw_foot(canvas: Canvas, person: Person, side: str) -> None:
    """Draw the foot of one side."""
    _limb(
        canvas, person, f'{side}_heel', f'{side}_toe', (0.024, 0.02), person.look.shoes, FOOT[side]
    )
