# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draws a posed, dressed person, part by part from the farthest to the nearest."""

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import Canvas
from .clothing import Look, pattern, sample_look
from .head import paint_hanging_hair, paint_head
from .poses import sample_pose, sample_proportions
from .skeleton import KEYPOINT_NAMES, SIDES, Figure, Proportions, pose_body

# Numbers of the drawn parts; a pixel's label is person * PARTS + part.
PARTS = 32
HEAD, NECK, TRUNK, SKIRT, BACKPACK, HAIR = range(1, 7)
UPPER_ARM, FOREARM, THIGH, SHANK, FOOT = (dict(zip(SIDES, pair, strict=True)) for pair in (
    (10, 11), (12, 13), (14, 15), (16, 17), (18, 19)))

_FACE = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')


@dataclass
class Person:
    """One person placed in an image.

    Attributes:
        centre: (2,) where the pelvis is, [x, y] in pixels.
        scale: pixels of a standing height.
        number: 1 for the first person of the image, and so on.
    """

    body: Proportions
    figure: Figure
    look: Look
    scale: float
    centre: np.ndarray
    number: int = 1

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera-axes points (..., 3) in standing heights -> pixels (..., 2)."""
        return self.centre + np.asarray(points)[..., :2] * (self.scale, -self.scale)

    @property
    def keypoints(self) -> np.ndarray:
        """(17, 2) pixels."""
        return self.project(self.figure.keypoints)

    def label(self, part: int) -> int:
        return self.number * PARTS + part


def sample_person(rng: np.random.Generator) -> Person:
    """A random person, not yet placed (centre 0, scale 1)."""
    body = sample_proportions(rng)
    figure = pose_body(body, sample_pose(rng))
    return Person(body, figure, sample_look(rng), 1.0, np.zeros(2))


def visible_parts(person: Person) -> list[frozenset[int]]:
    """For each keypoint the parts that show it when they are on top at its pixel; empty if the
    body's attitude hides it anyway (the face from behind, the far shoulder and hip of a profile).
    """
    head, chest, pelvis = person.figure.head, person.figure.chest, person.figure.pelvis
    facing = head[2, 2]
    shown = {'nose': facing > -0.05}
    arms = {}
    for name, sign in zip(SIDES, (1, -1), strict=True):
        shown[f'{name}_eye'] = (head @ (0.36 * sign, 0.0, 0.93))[2] > 0.12
        shown[f'{name}_ear'] = (head @ (0.97 * sign, 0.0, -0.1))[2] > -0.35
        near_chest, near_hip = sign * chest[2, 0] > -0.72, sign * pelvis[2, 0] > -0.72
        arms[f'{name}_shoulder'] = {UPPER_ARM[name], TRUNK} if near_chest else {UPPER_ARM[name]}
        arms[f'{name}_elbow'] = {UPPER_ARM[name], FOREARM[name]}
        arms[f'{name}_wrist'] = {FOREARM[name]}
        arms[f'{name}_hip'] = {THIGH[name]} | ({TRUNK, SKIRT} if near_hip else set())
        arms[f'{name}_knee'] = {THIGH[name], SHANK[name]}
        arms[f'{name}_ankle'] = {SHANK[name], FOOT[name]}
    arms |= {name: {HEAD} if shown[name] else set() for name in _FACE}
    return [frozenset(arms[name]) for name in KEYPOINT_NAMES]


def unseen_face(person: Person) -> np.ndarray:
    """(17,) bool: face keypoints on the head's far side, which nobody would label (v = 0)."""
    return np.array([name in _FACE and not parts for name, parts in zip(
        KEYPOINT_NAMES, visible_parts(person), strict=True)])


def draw_person(canvas: Canvas, person: Person) -> None:
    """Paints a person over what is there."""
    points, z = person.figure.points, {n: p[2] for n, p in person.figure.points.items()}
    trunk = (z['pelvis'] + z['chest']) / 2
    jobs = [(trunk, draw_trunk, ())]
    # The neck lies behind the collar, the head before it unless the body bends away.
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


def _limb(canvas, person: Person, start: str, end: str, radii, paint, part: int) -> None:
    """A tapered tube between two landmarks; radii in standing heights."""
    points = person.figure.points
    canvas.capsule(person.project(points[start]), person.project(points[end]),
                   np.multiply(radii, person.scale), paint, person.label(part))


def _cut(length: float, covered, bare):
    """Paint that is ``covered`` up to ``length`` (0 to 1) along the limb and ``bare`` after it."""
    if length >= 1:
        return covered
    if length <= 0:
        return bare

    def paint(along, across):
        mix = np.clip((along - length) * 30, 0, 1)[..., None]
        return covered + mix * (bare - covered)

    return paint


def draw_upper_arm(canvas: Canvas, person: Person, side: str) -> None:
    look, girth = person.look, person.body.girth
    sleeve = look.shirt_second if look.shirt_pattern == 'block' else look.shirt
    paint = _cut(look.sleeve, sleeve, look.skin)
    if look.shirt_pattern == 'hstripes' and look.sleeve > 0.1:
        stripes = pattern(look)

        def paint(along, across):
            cloth = stripes(0 * across, along * person.body.upper_arm)
            mix = np.clip((along - look.sleeve) * 30, 0, 1)[..., None]
            return cloth + mix * (look.skin - cloth)

    _limb(canvas, person, f'{side}_shoulder', f'{side}_elbow',
          (0.037 * girth, 0.028 * girth), paint, UPPER_ARM[side])


def draw_forearm(canvas: Canvas, person: Person, side: str) -> None:
    look, girth = person.look, person.body.girth
    sleeve = look.shirt_second if look.shirt_pattern == 'block' else look.shirt
    _limb(canvas, person, f'{side}_wrist', f'{side}_hand', (0.018, 0.026), look.skin,
          FOREARM[side])
    _limb(canvas, person, f'{side}_elbow', f'{side}_wrist', (0.028 * girth, 0.02 * girth),
          _cut(look.sleeve - 1, sleeve, look.skin), FOREARM[side])


def draw_thigh(canvas: Canvas, person: Person, side: str) -> None:
    look, girth = person.look, person.body.girth
    bare = look.bottom in ('skirt', 'dress')
    paint = look.skin if bare else _cut(look.bottom_length, look.bottom_colour, look.skin)
    _limb(canvas, person, f'{side}_hip', f'{side}_knee', (0.062 * girth, 0.043 * girth), paint,
          THIGH[side])


def draw_shank(canvas: Canvas, person: Person, side: str) -> None:
    look, girth = person.look, person.body.girth
    if look.bottom == 'trousers':
        paint = _cut(look.bottom_length - 1, look.bottom_colour, look.socks)
    else:
        paint = _cut(0.78, look.skin, look.socks)
    _limb(canvas, person, f'{side}_knee', f'{side}_ankle', (0.041 * girth, 0.025 * girth), paint,
          SHANK[side])


def draw_foot(canvas: Canvas, person: Person, side: str) -> None:
    _limb(canvas, person, f'{side}_heel', f'{side}_toe', (0.024, 0.02), person.look.shoes,
          FOOT[side])


def draw_neck(canvas: Canvas, person: Person) -> None:
    points = person.figure.points
    canvas.capsule(person.project(points['chest']), person.project(points['head']),
                   np.multiply((0.034, 0.03), person.scale * person.body.girth ** 0.5),
                   person.look.skin * 0.93, person.label(NECK))


def _rounded_hull(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Convex hull (P, 2) of circles: centres (C, 2), radii (C,)."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = np.stack((np.cos(turn), np.sin(turn)), -1)
    points = (centres[:, None] + rim * radii[:, None, None]).reshape(-1, 2)
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def trunk_shapes(person: Person) -> list[np.ndarray]:
    """Chest and belly as two convex polygons (P, 2), in pixels."""
    points, body = person.figure.points, person.body
    chest, pelvis = person.figure.chest, person.figure.pelvis
    ribs = points['chest'] + chest @ (0, -0.09, 0)
    depth, girth = 0.022 * body.girth, body.girth
    waist = [points['waist'] + pelvis @ (s * 0.035 * girth, 0, 0) for s in (1, -1)]
    shoulders = [points[f'{s}_shoulder'] for s in SIDES]
    middle = [ribs + chest @ (0, 0, s * depth) for s in (1, -1)]
    hips = [points[f'{s}_hip'] for s in SIDES]
    upper = _rounded_hull(person.project(shoulders + middle + waist), person.scale * np.array(
        [0.033, 0.033, 0.058 * girth, 0.058 * girth, 0.056 * girth, 0.056 * girth]))
    lower = _rounded_hull(person.project(waist + hips), person.scale * girth * np.array(
        [0.056, 0.056, 0.062, 0.062]))
    return [upper, lower]


def draw_trunk(canvas: Canvas, person: Person) -> None:
    look, points, label = person.look, person.figure.points, person.label(TRUNK)
    scale, chest = person.scale, person.figure.chest
    pelvis, top = person.project(points['pelvis']), person.project(points['chest'])
    up = (top - pelvis) / max(np.hypot(*(top - pelvis)) / scale, 0.08)
    # The trunk's left as seen; where it points at the viewer a short axis would blow the
    # pattern up, so its length has a floor.
    left = np.array((-up[1], up[0])) * (1 if chest[2, 2] >= 0 else -1) / np.hypot(*up)
    left = left * scale * max(abs(chest[2, 2]), 0.45)
    shirt, below = pattern(look), look.bottom_colour

    def paint(u, v):
        mix = np.clip((v - 0.055) * scale * 0.5, 0, 1)[..., None]
        return below + mix * (shirt(u, v) - below)

    canvas.polygons(trunk_shapes(person), paint, label, (pelvis, left, up), soft=scale * 0.045)
    if chest[2, 2] > 0.15:
        _draw_neckline(canvas, person, label)


def _draw_neckline(canvas: Canvas, person: Person, label: int) -> None:
    """Collar, buttons or an open jacket: what only the front of a trunk has."""
    look, points, chest = person.look, person.figure.points, person.figure.chest
    front = points['chest'] + chest @ (0, 0, 0.06)

    def at(x, y):
        return person.project(front + chest @ (x, y, 0))

    dark = look.shirt * 0.55
    thick = person.scale * 0.006
    if look.neckline in ('open', 'collar'):
        bottom = points['waist'] + person.figure.pelvis @ (0, -0.04, 0.06)
        colour = look.shirt_second if look.neckline == 'open' else dark
        canvas.capsule(at(0, 0), person.project(bottom),
                       (thick * (4 if look.neckline == 'open' else 1),) * 2, colour, label, 0.1)
    depth = {'round': 0.035, 'v': 0.085, 'open': 0.06, 'collar': 0.04}[look.neckline]
    hull = _rounded_hull(np.array([at(0.034, 0.012), at(-0.034, 0.012), at(0, -depth)]),
                         person.scale * np.array([0.006, 0.006, 0.02 if look.neckline == 'round'
                                                  else 0.005]))
    canvas.polygons([hull], look.skin * 0.97, label)


def draw_skirt(canvas: Canvas, person: Person) -> None:
    look, points = person.look, person.figure.points
    hips, hems = [], []
    for side in SIDES:
        hip, knee = points[f'{side}_hip'], points[f'{side}_knee']
        hips.append(hip)
        hems.append(hip + (knee - hip) * look.bottom_length * 0.95)
    girth = person.body.girth
    hull = _rounded_hull(person.project(hips + hems), person.scale * girth * np.array(
        [0.063, 0.063, 0.062, 0.062]))
    canvas.polygons([hull], look.bottom_colour, person.label(SKIRT), soft=person.scale * 0.045)


def draw_backpack(canvas: Canvas, person: Person) -> None:
    points, chest = person.figure.points, person.figure.chest
    back = points['chest'] + chest @ (0, 0, -0.09)
    corners = [back + chest @ (x, y, z) for x in (0.06, -0.06) for y in (-0.03, -0.19)
               for z in (-0.015, 0.025)]
    hull = _rounded_hull(person.project(corners), np.full(8, 0.022 * person.scale))
    canvas.polygons([hull], person.look.backpack_colour, person.label(BACKPACK),
                    soft=person.scale * 0.035)


def draw_hair(canvas: Canvas, person: Person) -> None:
    paint_hanging_hair(canvas, person, person.label(HAIR))


def draw_head(canvas: Canvas, person: Person) -> None:
    paint_head(canvas, person, person.label(HEAD), person.label(HAIR))
