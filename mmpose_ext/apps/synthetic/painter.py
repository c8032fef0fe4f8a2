# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw a person part by part, from the farthest part to the nearest."""

from __future__ import annotations

from typing import Callable

from .canvas import Canvas
from .head import paint_hanging_hair, paint_head
from .limbs import draw_foot, draw_forearm, draw_shank, draw_thigh, draw_upper_arm
from .person import HAIR, HEAD, Person
from .skeleton import SIDES
from .trunk import draw_backpack, draw_neck, draw_skirt, draw_trunk


def draw_person(canvas: Canvas, person: Person) -> None:
    """Paint a person over the canvas."""
    points, z = person.figure.points, {n: p[2] for n, p in person.figure.points.items()}
    trunk = (z['pelvis'] + z['chest']) / 2
    jobs: list[tuple[float, Callable[..., None], tuple]] = [(trunk, draw_trunk, ())]
    # The neck is behind the collar; the head is in front of it unless the body bends away.
    jobs.append((min(trunk, z['neck']) - 0.02, draw_neck, ()))
    jobs.append((z['head'] + 0.03, draw_head, ()))
    if person.look.hair_style == 'long':
        behind = person.figure.head[2, 2] > 0
        depth = min(trunk, z['head']) - 0.06 if behind else max(trunk, z['head']) + 0.04
        jobs.append((depth, draw_hair, ()))
    if person.look.bottom in ('skirt', 'dress'):
        knees = (z['left_knee'] + z['right_knee']) / 2
        jobs.append((max(trunk, (z['pelvis'] + knees) / 2) + 0.01, draw_skirt, ()))
    if person.look.backpack:
        jobs.append((trunk - 0.11 * person.figure.chest[2, 2], draw_backpack, ()))
    for side in SIDES:
        shoulder, elbow, wrist = (z[f'{side}_{n}'] for n in ('shoulder', 'elbow', 'wrist'))
        hip, knee, ankle = (z[f'{side}_{n}'] for n in ('hip', 'knee', 'ankle'))
        jobs.append((0.5 * shoulder + 0.5 * elbow + 0.03, draw_upper_arm, (side,)))
        jobs.append((0.5 * elbow + 0.5 * wrist + 0.035, draw_forearm, (side,)))
        jobs.append((0.5 * hip + 0.5 * knee - 0.02, draw_thigh, (side,)))
        jobs.append((0.5 * knee + 0.5 * ankle - 0.022, draw_shank, (side,)))
        jobs.append((0.5 * ankle + 0.5 * points[f'{side}_toe'][2] - 0.025, draw_foot, (side,)))
    for _, draw, args in sorted(jobs, key=lambda job: job[0]):
        draw(canvas, person, *args)


def draw_hair(canvas: Canvas, person: Person) -> None:
    """Paint hair that hangs down from the head."""
    paint_hanging_hair(canvas, person, person.label(HAIR))


def draw_head(canvas: Canvas, person: Person) -> None:
    """Paint the head over the canvas."""
    paint_head(canvas, person, person.label(HEAD), person.label(HAIR))
