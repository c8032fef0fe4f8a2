# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Sample random poses from families of leg, arm and trunk postures, within joint limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .skeleton import Arm, Leg, Pose, Proportions

# name -> (weight, left leg, right leg, standard deviations), angles (flexion, abduction, twist,
# knee) in degrees.
LEGS = {
    'stand': (0.40, (0, 4, 10, 3), (0, 4, 10, 3), (5, 4, 8, 5)),
    'relaxed': (0.15, (0, 2, 8, 2), (14, 9, 14, 26), (5, 4, 8, 8)),
    'walk': (0.16, (26, 2, 4, 12), (-18, 2, 4, 28), (7, 3, 6, 10)),
    'run': (0.06, (62, 4, 4, 75), (-20, 3, 4, 60), (12, 4, 6, 20)),
    'wide': (0.09, (5, 25, 12, 6), (5, 25, 12, 6), (6, 6, 8, 6)),
    'sit': (0.06, (86, 9, 6, 84), (86, 9, 6, 84), (7, 7, 6, 12)),
    'squat': (0.01, (108, 22, 12, 122), (108, 22, 12, 122), (8, 8, 6, 8)),
    'kneel': (0.02, (4, 6, 4, 92), (82, 8, 4, 86), (6, 5, 5, 8)),
    'kick': (0.02, (80, 10, 6, 14), (-3, 6, 8, 8), (14, 8, 8, 8)),
    'lunge': (0.02, (70, 8, 4, 76), (-24, 6, 4, 18), (8, 5, 5, 8)),
    'split_jump': (0.01, (40, 45, 10, 40), (30, 45, 10, 40), (15, 10, 8, 20)),
}

# name -> (weight, arm, standard deviations), angles (flexion, abduction, twist, elbow).
ARMS = {
    'down': (0.44, (2, 11, -12, 14), (12, 6, 14, 10)),
    'on_hip': (0.10, (-12, 46, -80, 98), (7, 7, 8, 8)),
    'up': (0.12, (165, 16, 0, 20), (12, 12, 20, 16)),
    'out': (0.10, (5, 88, 10, 10), (12, 16, 30, 14)),
    'goalpost': (0.05, (0, 86, 82, 88), (12, 14, 14, 20)),
    'forward': (0.05, (78, 12, 0, 18), (14, 12, 15, 14)),
    'carry': (0.06, (14, 11, -16, 88), (12, 6, 14, 14)),
    'folded': (0.02, (32, 10, -62, 104), (8, 6, 10, 8)),
    'on_head': (0.02, (0, 112, 90, 128), (10, 10, 12, 10)),
    'phone': (0.02, (42, 24, -18, 138), (10, 8, 12, 8)),
    'swing_back': (0.02, (-35, 14, -10, 30), (12, 7, 15, 18)),
}

# (lowest, highest) angle of each joint's movement.
ARM_LIMITS = np.array([(-60, 185), (0, 170), (-95, 100), (0, 148)], float)
LEG_LIMITS = np.array([(-35, 125), (0, 60), (-25, 45), (0, 145)], float)

# (weight, mean, standard deviation) of the heading: front, back and the two profiles.
HEADINGS = ((0.80, 0, 18), (0.10, 180, 15), (0.05, 90, 15), (0.05, -90, 15))


def _choose(rng: np.random.Generator, weights: Sequence[float]) -> int:
    shares = np.asarray(weights, float)
    return int(np.searchsorted(np.cumsum(shares) / shares.sum(), rng.random(), side='right'))


def _jitter(
    rng: np.random.Generator, mean: Sequence[float], std: Sequence[float], limits: np.ndarray
) -> np.ndarray:
    return np.clip(rng.normal(mean, std), limits[:, 0], limits[:, 1])


def sample_proportions(rng: np.random.Generator) -> Proportions:
    """Sample limb lengths, build and head size of one person; one in six is a child."""
    body = Proportions()
    for name in ('thigh', 'shank', 'spine', 'upper_arm', 'forearm', 'shoulder', 'hip'):
        setattr(body, name, getattr(body, name) * np.clip(rng.normal(1, 0.06), 0.85, 1.15))
    body.head *= rng.uniform(0.92, 1.12)
    body.girth = float(np.clip(rng.normal(1.1, 0.14), 0.85, 1.5))
    if rng.random() < 1 / 6:
        body.head *= 1.3
        body.thigh *= 0.88
        body.shank *= 0.88
        body.shoulder *= 0.93
    return body


def sample_pose(rng: np.random.Generator) -> Pose:
    """Sample a pose of a random family, with noise, heading, in-plane rotation and camera pitch."""
    legs = list(LEGS)[_choose(rng, [w for w, *_ in LEGS.values()])]
    _, first, second, std = LEGS[legs]
    if rng.random() < 0.5:
        first, second = second, first
    first, second = (_jitter(rng, mean, std, LEG_LIMITS) for mean in (first, second))

    names = list(ARMS)
    weights = [w for w, *_ in ARMS.values()]
    left = names[_choose(rng, weights)]
    right = left if rng.random() < 0.5 else names[_choose(rng, weights)]
    left, right = (_jitter(rng, *ARMS[name][1:], ARM_LIMITS) for name in (left, right))

    lean, bend = rng.normal((2, 4), (3, 5))
    if legs in ('run', 'lunge', 'squat'):
        lean, bend = lean + 12, bend + 10
    elif legs != 'sit' and rng.random() < 0.04:
        total = rng.uniform(30, 95)
        lean, bend = 0.6 * total, 0.4 * total
    # The pelvis tips; the legs stay in place.
    first[0], second[0] = np.clip((first[0] + lean, second[0] + lean), *LEG_LIMITS[0])

    _, heading, spread = HEADINGS[_choose(rng, [w for w, *_ in HEADINGS])]
    return Pose(
        left_arm=Arm(*left),
        right_arm=Arm(*right),
        left_leg=Leg(*first),
        right_leg=Leg(*second),
        bend=bend,
        lean=lean,
        side_bend=rng.normal(0, 5),
        spine_twist=rng.normal(0, 8),
        nod=np.clip(rng.normal(2, 7), -25, 30),
        turn=np.clip(rng.normal(0, 14), -55, 55),
        tilt=rng.normal(0, 6),
        yaw=rng.normal(heading, spread),
        roll=_sample_roll(rng),
        camera_pitch=rng.uniform(-3, 18),
    )


def _sample_roll(rng: np.random.Generator) -> float:
    """Sample an in-plane rotation: mostly upright, sometimes lying, rarely upside down."""
    kind = rng.random()
    sign = 1 if rng.random() < 0.5 else -1
    if kind < 0.02:
        return sign * rng.normal(88, 10)
    if kind < 0.023:
        return sign * rng.uniform(120, 180)
    return rng.normal(0, 8)
