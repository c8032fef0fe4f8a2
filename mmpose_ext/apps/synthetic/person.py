# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A posed, dressed person in an image, and the parts that show each keypoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .clothing import Look, sample_look
from .poses import sample_pose, sample_proportions
from .skeleton import KEYPOINT_NAMES, SIDES, Figure, Proportions, pose_body

# Indices of the drawn parts; a pixel's label is person * PARTS + part.
PARTS = 32
HEAD, NECK, TRUNK, SKIRT, BACKPACK, HAIR = range(1, 7)
UPPER_ARM, FOREARM, THIGH, SHANK, FOOT = (
    dict(zip(SIDES, pair)) for pair in ((10, 11), (12, 13), (14, 15), (16, 17), (18, 19))
)

_FACE = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')


@dataclass
class Person:
    """One person in an image.

    Attributes:
        center (np.ndarray): (2,) position of the pelvis, [x, y] in pixels.
        scale (float): Pixels per standing height.
        number (int): 1 for the first person of the image, and so on.
    """

    body: Proportions
    figure: Figure
    look: Look
    scale: float
    center: np.ndarray
    number: int = 1

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points (..., 3) in camera axes and standing heights to pixels (..., 2)."""
        return self.center + np.asarray(points)[..., :2] * (self.scale, -self.scale)

    @property
    def keypoints(self) -> np.ndarray:
        """Return the keypoints (17, 2) in pixels."""
        return self.project(self.figure.keypoints)

    def label(self, part: int) -> int:
        """Return the label of a drawn part: number * PARTS + part."""
        return self.number * PARTS + part


def sample_person(rng: np.random.Generator) -> Person:
    """Return a random person before placement (center 0, scale 1)."""
    body = sample_proportions(rng)
    figure = pose_body(body, sample_pose(rng))
    return Person(body, figure, sample_look(rng), 1.0, np.zeros(2))


def visible_parts(person: Person) -> list[frozenset[int]]:
    """Return, for each keypoint, the parts that show it if they are on top at its pixel.

    The set is empty if the body's attitude hides the keypoint (the face from behind, the far
    shoulder and hip of a profile).
    """
    head, chest, pelvis = person.figure.head, person.figure.chest, person.figure.pelvis
    facing = head[2, 2]
    shown = {'nose': facing > -0.05}
    arms = {}
    for name, sign in zip(SIDES, (1, -1)):
        shown[f'{name}_eye'] = (head @ (0.36 * sign, 0.0, 0.93))[2] > 0.12
        shown[f'{name}_ear'] = (head @ (0.97 * sign, 0.0, -0.1))[2] > -0.35
        near_chest, near_hip = sign * chest[2, 0] > -0.72, sign * pelvis[2, 0] > -0.72
        arms[f'{name}_shoulder'] = {UPPER_ARM[name], TRUNK} if near_chest else {UPPER_ARM[name]}
        arms[f'{name}_elbow'] = {UPPER_ARM[name], FOREARM[name]}
        arms[f'{name}_wrist'] = {FOREARM[name]}
        arms[f'{name}_hip'] = {THIGH[name]} | ({TRUNK, SKIRT} if near_hip else set())
        arms[f'{name}_knee'] = {THIGH[name], SHANK[name]}
        arms[f'{name}_ankle'] = {SHANK[name], FOOT[name]}
    arms.update({name: {HEAD} if shown[name] else set() for name in _FACE})
    return [frozenset(arms[name]) for name in KEYPOINT_NAMES]


def unseen_face(person: Person) -> np.ndarray:
    """Return (17,) bool, True for face keypoints on the far side, which are unlabeled (v = 0)."""
    return np.array(
        [name in _FACE and not parts for name, parts in zip(KEYPOINT_NAMES, visible_parts(person))]
    )
