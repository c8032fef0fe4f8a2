# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Boxes as two corners in files of few people: a warning where the keypoints tell."""

import numpy as np
import pytest

from mmpose_ext.datasets.validation.people import keypoint_rows
from mmpose_ext.datasets.validation.structure import check_structure
from mmpose_ext.datasets.validation.units import check_boxes_of_people

NUM_KEYPOINTS = 17


def findings(boxes: list, written: list) -> list:
    """Those on people in the upper left of 640x480; ``boxes`` say where, ``written`` is theirs."""
    rng, people = np.random.default_rng(0), []
    for number, (x, y, w, h) in enumerate(boxes, 1):
        points = np.c_[
            rng.uniform(x, x + w, NUM_KEYPOINTS),
            rng.uniform(y, y + h, NUM_KEYPOINTS),
            np.full(NUM_KEYPOINTS, 2),
        ]
        points[0, :2], points[1, :2] = (x, y), (x + w, y + h)
        people.append(
            dict(id=number, image_id=1, category_id=1, bbox=written[number - 1],
                 keypoints=points.ravel().tolist())
        )  # fmt: skip
    images = [dict(id=1, file_name='1.png', width=640, height=480)]
    entries, _ = check_structure(dict(images=images, annotations=people), NUM_KEYPOINTS)
    return check_boxes_of_people(entries, keypoint_rows(entries))


def corners(x, y, w, h) -> list:
    return [x, y, x + w, y + h]


@pytest.mark.parametrize('boxes', [[(100, 80, 120, 150)], [(100, 80, 120, 150), (3, 2, 90, 200)]])
def test_few_people(boxes):
    (finding,) = findings(boxes, [corners(*box) for box in boxes])
    assert finding.kind == 'bbox-corners-likely' and finding.severity == 'warning'
    assert 'annotation 1 [100.0, 80.0, 220.0, 230.0]' in finding.detail
    assert 'write [x, y, width, height]' in finding.detail


@pytest.mark.parametrize(
    'boxes',
    [
        [(100, 80, 120, 150)],  # keypoints lie beyond (w, h)
        [(10, 10, 200, 300)],  # both readings agree
        [(400, 80, 120, 150), (5, 5, 100, 100)],  # the second is not two corners
    ],
)
def test_other_boxes(boxes):
    assert findings(boxes, [list(box) for box in boxes]) == []


def test_corners_near_the_origin_tell_nothing():
    assert findings([(4, 4, 200, 300)], [corners(4, 4, 200, 300)]) == []


def test_one_person_of_ten_may_reach_out_of_the_box():
    boxes = [(100 + 5 * n, 80, 60, 100) for n in range(10)]
    written = [corners(*box) for box in boxes]
    written[0] = [100, 80, 130, 180]  # does not contain its keypoints
    assert findings(boxes, written)[0].kind == 'bbox-corners-likely'
    written[1] = [105, 80, 130, 180]
    assert [f.kind for f in findings(boxes, written)] == []


def test_keypoints_in_pixels_of_a_crop_are_an_error():
    """They lie below (w, h), but not between the corners."""
    boxes = [(0, 0, 300 - 3 * n, 300) for n in range(10)]
    written = [[220 + n, 170, 300, 300] for n in range(10)]
    assert [f.kind for f in findings(boxes, written)] == ['boxes-elsewhere']
