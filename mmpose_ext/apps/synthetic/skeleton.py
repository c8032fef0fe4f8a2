# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""COCO's 17 keypoints and a jointed body: proportions and forward kinematics.

Axes of a body: x to its left, y up, z forward. Axes of the camera (orthographic): X to the right of
the image, Y up, Z towards the viewer. Lengths are in standing heights and angles in degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

KEYPOINT_NAMES = (
    'nose',
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
)

# COCO's own list of keypoint pairs, counted from 1.
SKELETON = (
    (16, 14),
    (14, 12),
    (17, 15),
    (15, 13),
    (12, 13),
    (6, 12),
    (7, 13),
    (6, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (9, 11),
    (2, 3),
    (1, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
    (5, 7),
)

SIDES = ('left', 'right')


@dataclass
class Proportions:
    """Bone lengths and thicknesses of one person, in standing heights."""

    thigh: float = 0.245
    shank: float = 0.245
    foot: float = 0.085
    spine: float = 0.30
    neck: float = 0.05
    head: float = 0.078
    shoulder: float = 0.105
    hip: float = 0.058
    upper_arm: float = 0.165
    forearm: float = 0.145
    girth: float = 1.0


@dataclass
class Arm:
    """Shoulder and elbow angles: flexion lifts the arm forward, abduction lifts it sideways, twist
    turns the upper arm about itself (positive: a bent forearm of a hanging arm points outwards)."""

    flexion: float = 0.0
    abduction: float = 10.0
    twist: float = 0.0
    elbow: float = 10.0


@dataclass
class Leg:
    """Hip and knee angles, defined like an arm's; the knee bends backwards."""

    flexion: float = 0.0
    abduction: float = 4.0
    twist: float = 8.0
    knee: float = 3.0


@dataclass
class Pose:
    """All angles of a body and its orientation to the camera.

    ``yaw`` turns the body about its upright axis (0 faces the camera, 90 looks to the right of the
    image, 180 shows the back). ``lean`` tips the pelvis forward, ``roll`` rotates the picture in
    the image plane, and ``camera_pitch`` tilts the camera down.
    """

    left_arm: Arm = field(default_factory=Arm)
    right_arm: Arm = field(default_factory=Arm)
    left_leg: Leg = field(default_factory=Leg)
    right_leg: Leg = field(default_factory=Leg)
    bend: float = 0.0
    side_bend: float = 0.0
    spine_twist: float = 0.0
    nod: float = 0.0
    turn: float = 0.0
    tilt: float = 0.0
    lean: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    camera_pitch: float = 0.0


@dataclass
class Figure:
    """A posed body as the camera sees it.

    Attributes:
        keypoints (np.ndarray): (17, 3) float64, COCO's order, camera axes, standing heights, pelvis
            at 0.
        points (dict[str, np.ndarray]): (3,) by landmark name, including those that are not
            keypoints (``left_toe``, ``chest``).
        head, chest, pelvis (np.ndarray): (3, 3) rotations; the columns are the part's left, up and
            forward.
    """

    keypoints: np.ndarray
    points: dict[str, np.ndarray]
    head: np.ndarray
    chest: np.ndarray
    pelvis: np.ndarray


def _rotations(axes: str, degrees: list[float]) -> list[np.ndarray]:
    """Return one (3, 3) rotation per axis letter and angle."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    out = np.zeros((len(axes), 3, 3))
    for matrix, axis, c, s in zip(out, axes, cos, sin):
        i = 'xyz'.index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        matrix[i, i] = 1.0
        matrix[j, j] = matrix[k, k] = c
        matrix[j, k], matrix[k, j] = -s, s
    return list(out)


def pose_body(body: Proportions, pose: Pose) -> Figure:
    """Compute the positions of all landmarks of a body in a pose (forward kinematics)."""
    (camera, roll, yaw, lean, bend, side, twist, turn, nod, tilt) = _rotations(
        'xzyxxzyyxz',
        [
            pose.camera_pitch,
            pose.roll,
            pose.yaw,
            pose.lean,
            pose.bend,
            pose.side_bend,
            pose.spine_twist,
            pose.turn,
            pose.nod,
            pose.tilt,
        ],
    )
    pelvis = roll @ camera @ yaw @ lean
    chest = pelvis @ bend @ side @ twist
    head = chest @ turn @ nod @ tilt

    points = {'pelvis': np.zeros(3)}
    points['waist'] = pelvis @ (0, 0.33 * body.spine, 0)
    points['chest'] = points['waist'] + chest @ (0, 0.67 * body.spine, 0)
    points['neck'] = points['chest'] + chest @ (0, body.neck * 0.5, 0.0)
    center = points['neck'] + head @ (0, body.neck * 0.5 + body.head * 0.85, 0.12 * body.head)
    points['head'] = center
    points['nose'] = center + head @ (0, -0.12 * body.head, 0.98 * body.head)
    for name, sign in zip(SIDES, (1, -1)):
        points[f'{name}_eye'] = center + head @ np.multiply(body.head, (0.36 * sign, 0.14, 0.86))
        points[f'{name}_ear'] = center + head @ np.multiply(body.head, (0.84 * sign, 0.0, -0.05))
        _add_arm(points, body, chest, getattr(pose, f'{name}_arm'), name, sign)
        _add_leg(points, body, pelvis, getattr(pose, f'{name}_leg'), name, sign)
    keypoints = np.array([points[name] for name in KEYPOINT_NAMES])
    return Figure(keypoints, points, head, chest, pelvis)


def _add_arm(
    points: dict[str, np.ndarray],
    body: Proportions,
    chest: np.ndarray,
    arm: Arm,
    name: str,
    sign: int,
) -> None:
    flexion, abduction, twist, elbow = _rotations(
        'xzyx', [-arm.flexion, sign * arm.abduction, sign * arm.twist, -arm.elbow]
    )
    upper = chest @ flexion @ abduction @ twist
    lower = upper @ elbow
    # Raising the arm lifts the shoulder a little.
    rise = 0.12 * body.upper_arm * max(0.0, -(flexion @ abduction)[1, 1])
    shoulder = points['chest'] + chest @ (sign * body.shoulder, rise, 0)
    points[f'{name}_shoulder'] = shoulder
    points[f'{name}_elbow'] = shoulder + upper @ (0, -body.upper_arm, 0)
    points[f'{name}_wrist'] = points[f'{name}_elbow'] + lower @ (0, -body.forearm, 0)
    points[f'{name}_hand'] = points[f'{name}_wrist'] + lower @ (0, -0.035, 0)


def _add_leg(
    points: dict[str, np.ndarray],
    body: Proportions,
    pelvis: np.ndarray,
    leg: Leg,
    name: str,
    sign: int,
) -> None:
    flexion, abduction, twist, knee = _rotations(
        'xzyx', [-leg.flexion, sign * leg.abduction, sign * leg.twist, leg.knee]
    )
    upper = pelvis @ flexion @ abduction @ twist
    lower = upper @ knee
    hip = pelvis @ (sign * body.hip, 0, 0)
    points[f'{name}_hip'] = hip
    points[f'{name}_knee'] = hip + upper @ (0, -body.thigh, 0)
    points[f'{name}_ankle'] = points[f'{name}_knee'] + lower @ (0, -body.shank, 0)
    heel = points[f'{name}_ankle'] + lower @ (0, -0.03, -0.012)
    points[f'{name}_heel'] = heel
    points[f'{name}_toe'] = heel + lower @ (0, -0.15 * body.foot, body.foot)
