# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Synthetic people: true visibility, bones and joints, drawing."""

from __future__ import annotations

import numpy as np
import pytest

from mmpose_ext.apps.synthetic.background import draw_object
from mmpose_ext.apps.synthetic.canvas import Canvas
from mmpose_ext.apps.synthetic.clothing import sample_look
from mmpose_ext.apps.synthetic.painter import draw_person
from mmpose_ext.apps.synthetic.person import TRUNK, Person
from mmpose_ext.apps.synthetic.poses import (
    ARM_LIMITS,
    LEG_LIMITS,
    sample_pose,
    sample_proportions,
)
from mmpose_ext.apps.synthetic.scene import annotate
from mmpose_ext.apps.synthetic.skeleton import KEYPOINT_NAMES, Pose, Proportions, pose_body
from mmpose_ext.utils.sequences import zip_equal

INDEX = {name: i for i, name in enumerate(KEYPOINT_NAMES)}


# Visibility.


def place(pose: Pose, number: int = 1, center=(100, 110)) -> Person:
    look = sample_look(np.random.default_rng(1))
    look.bottom, look.backpack, look.hair_style = 'trousers', False, 'short'
    body = Proportions()
    return Person(body, pose_body(body, pose), look, 180.0, np.array(center, float), number)


def drawn(*people: Person) -> Canvas:
    canvas = Canvas(np.full((220, 220, 3), 128, np.float32))
    for person in people:
        draw_person(canvas, person)
    return canvas


def visibility(person: Person, canvas: Canvas) -> dict[str, int]:
    values = annotate(person, canvas.labels).keypoints[:, 2].astype(int)
    return dict(zip_equal(KEYPOINT_NAMES, values.tolist()))


def test_front_view_shows_all_and_left_is_on_the_right():
    person = place(Pose())
    assert set(visibility(person, drawn(person)).values()) == {2}
    for name in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
        left, right = (person.keypoints[INDEX[f'{side}_{name}']] for side in ('left', 'right'))
        assert left[0] > right[0] and left[1] == pytest.approx(right[1])


def test_back_view_has_no_face_and_left_is_on_the_left():
    person = place(Pose(yaw=180))
    seen = visibility(person, drawn(person))
    assert all(seen[name] == 0 for name in ('nose', 'left_eye', 'right_eye'))
    assert all(
        seen[f'{side}_{name}'] == 2
        for side in ('left', 'right')
        for name in ('shoulder', 'elbow', 'hip', 'knee', 'ankle')
    )
    left, right = (person.keypoints[INDEX[f'{side}_shoulder']] for side in ('left', 'right'))
    assert left[0] < right[0]


@pytest.mark.parametrize('yaw, near, far', [(90, 'right', 'left'), (-90, 'left', 'right')])
def test_profile_hides_the_far_side(yaw, near, far):
    person = place(Pose(yaw=yaw))
    seen = visibility(person, drawn(person))
    assert seen[f'{far}_eye'] == seen[f'{far}_ear'] == 0
    assert seen[f'{far}_shoulder'] == seen[f'{far}_hip'] == 1
    assert all(seen[f'{near}_{name}'] == 2 for name in ('eye', 'ear', 'shoulder', 'hip', 'knee'))
    assert seen['nose'] == 2
    nose, ear = person.keypoints[INDEX['nose']], person.keypoints[INDEX[f'{near}_ear']]
    assert np.sign(nose[0] - ear[0]) == np.sign(yaw)  # it looks where it is turned


@pytest.mark.parametrize(
    'yaw, expected',
    [
        (30, 2),  # turned a little: the shoulder is at the edge of the trunk
        (60, 1),  # turned far: it lies behind the trunk
    ],
)
def test_the_trunk_hides_the_far_shoulder_of_a_turned_body(yaw, expected):
    for sign, far in ((1, 'left'), (-1, 'right')):
        person = place(Pose(yaw=sign * yaw))
        canvas = drawn(person)
        assert visibility(person, canvas)[f'{far}_shoulder'] == expected
        if expected == 1:
            x, y = np.round(person.keypoints[INDEX[f'{far}_shoulder']]).astype(int)
            assert canvas.labels[y, x] == person.label(TRUNK)


def test_other_people_and_objects_hide_keypoints():
    behind, before = place(Pose()), place(Pose(), number=2, center=(112, 112))
    canvas = drawn(behind, before)
    alone, hidden = visibility(behind, drawn(behind)), visibility(behind, canvas)
    assert set(visibility(before, canvas).values()) == {2}
    assert alone != hidden and set(hidden.values()) == {1, 2}
    # The plain rule: a keypoint is hidden exactly at the other person's pixels.
    columns, rows = np.round(behind.keypoints).astype(int).T
    other = annotate(before, canvas.labels).mask[rows, columns]
    assert (other == (np.array(list(hidden.values())) == 1)).all()

    ankle = behind.keypoints[INDEX['left_ankle']]
    corners = ankle + np.array([(-5, -5), (5, -5), (5, 5), (-5, 5)])
    draw_object(canvas := drawn(behind), ('box', corners, 1.0, np.zeros(3, np.float32)))
    covered = visibility(behind, canvas)
    assert covered.pop('left_ankle') == 1 and set(covered.values()) == {2}


def test_keypoints_outside_the_image_are_not_labeled():
    person = place(Pose(), center=(100, 200))  # the legs are below the image
    seen = visibility(person, drawn(person))
    assert all(
        seen[f'{side}_{name}'] == 0 for side in ('left', 'right') for name in ('knee', 'ankle')
    )
    assert seen['nose'] == 2


# The body.


def test_bones_keep_their_length_and_joints_their_limits():
    rng = np.random.default_rng(0)
    for _ in range(50):
        body, pose = sample_proportions(rng), sample_pose(rng)
        k = pose_body(body, pose).keypoints
        for first, second, length in (
            ('hip', 'knee', body.thigh),
            ('knee', 'ankle', body.shank),
            ('shoulder', 'elbow', body.upper_arm),
            ('elbow', 'wrist', body.forearm),
        ):
            for side in ('left', 'right'):
                bone = k[INDEX[f'{side}_{first}']] - k[INDEX[f'{side}_{second}']]
                assert np.linalg.norm(bone) == pytest.approx(length)
        assert np.linalg.norm(k[INDEX['left_hip']] - k[INDEX['right_hip']]) == pytest.approx(
            2 * body.hip
        )
        for limb, limits in (
            (pose.left_arm, ARM_LIMITS),
            (pose.right_arm, ARM_LIMITS),
            (pose.left_leg, LEG_LIMITS),
            (pose.right_leg, LEG_LIMITS),
        ):
            angles = np.array(list(vars(limb).values()))
            assert (angles >= limits[:, 0]).all() and (angles <= limits[:, 1]).all()


def test_capsule_equals_a_loop_over_pixels():
    canvas = Canvas(np.zeros((20, 24, 3), np.float32))
    start, end, radii = np.array([5.3, 4.1]), np.array([16.2, 13.7]), (4.0, 2.0)
    canvas.capsule(start, end, radii, np.full(3, 100, np.float32), 7, shading=0)
    for y in range(20):
        for x in range(24):
            axis = end - start
            along = min(max((np.array([x, y]) - start) @ axis / (axis @ axis), 0), 1)
            distance = np.hypot(*(np.array([x, y]) - start - along * axis))
            alpha = min(max(radii[0] + along * (radii[1] - radii[0]) - distance + 0.5, 0), 1)
            assert canvas.image[y, x, 0] == pytest.approx(100 * alpha, abs=1e-2)
            if abs(alpha - 0.5) > 1e-3:
                assert canvas.labels[y, x] == (7 if alpha > 0.5 else 0)
