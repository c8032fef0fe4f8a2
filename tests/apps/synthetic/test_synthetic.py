# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The synthetic keypoint set: COCO's format, detections, difficulty, crowds."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmpose_ext.apps.synthetic import generate
from mmpose_ext.apps.synthetic.detections import box_iou, detect
from mmpose_ext.apps.synthetic.scene import make_scene, outlines
from mmpose_ext.apps.synthetic.skeleton import KEYPOINT_NAMES
from mmpose_ext.utils.sequences import zip_equal


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> Path:
    """Generate 70 training and 60 validation images of the default kind (about 150 people each)."""
    out = tmp_path_factory.mktemp('synthetic') / 'set'
    return generate(out, {'train': 70, 'val': 60}, seed=0, progress=False)


@pytest.fixture(scope='module')
def val(dataset) -> COCO:
    return COCO(str(dataset / 'annotations/person_keypoints_val.json'))


# COCO's format.


@pytest.mark.parametrize('package', ['pycocotools', 'xtcocotools'])
def test_loads_as_coco(dataset, package):
    module = pytest.importorskip(f'{package}.coco')
    coco = module.COCO(str(dataset / 'annotations/person_keypoints_train.json'))
    assert len(coco.getImgIds()) == 70
    category = coco.loadCats(coco.getCatIds())[0]
    assert category['name'] == 'person' and category['keypoints'] == list(KEYPOINT_NAMES)
    assert len(category['skeleton']) == 19
    for image in coco.loadImgs(coco.getImgIds()):
        picture = cv2.imread(str(dataset / 'train' / image['file_name']))
        assert picture.shape == (image['height'], image['width'], 3) == (240, 320, 3)
        assert 1 <= len(coco.getAnnIds(imgIds=image['id'])) <= 4


def test_annotations_agree_with_each_other(val):
    relative = []
    for person in val.anns.values():
        keypoints = np.reshape(person['keypoints'], (17, 3))
        x, y, w, h = person['bbox']
        assert set(keypoints[:, 2]) <= {0, 1, 2} and person['iscrowd'] == 0
        assert person['num_keypoints'] == (keypoints[:, 2] > 0).sum()
        assert not keypoints[keypoints[:, 2] == 0].any()
        labeled = keypoints[keypoints[:, 2] > 0, :2]
        assert (labeled >= -0.5).all() and (labeled <= (319.5, 239.5)).all()
        seen = keypoints[keypoints[:, 2] == 2, :2]
        assert len(seen) >= 5
        # A pixel extends half a pixel around its center, and the box surrounds whole pixels.
        assert (seen + 0.5 >= (x, y)).all() and (seen + 0.5 <= (x + w, y + h)).all()
        assert 0 <= x and 0 <= y and x + w <= 320 and y + h <= 240
        assert 0 < person['area'] < w * h
        area = int(val.annToMask(person).sum())
        relative.append(abs(area - person['area']) / person['area'])
    # the error is largest for the slivers that remain of hidden people
    assert np.mean(relative) < 0.02 and np.percentile(relative, 99) < 0.15
    assert np.max(relative) < 0.3


def test_people_vary_in_size(val):
    heights = [person['bbox'][3] for person in val.anns.values()]
    low, high = np.percentile(heights, (10, 90))
    assert 70 < low < 140 and 180 < high <= 240


def test_visibility_occurs_in_all_three_kinds(val):
    kinds = np.reshape([p['keypoints'] for p in val.anns.values()], (-1, 3))[:, 2]
    shares = np.bincount(kinds.astype(int), minlength=3) / len(kinds)
    assert 0.04 < shares[0] < 0.25 and 0.06 < shares[1] < 0.3 and shares[2] > 0.6


def test_area_and_box_are_those_of_the_mask():
    scene = make_scene([0, 0, 7], (320, 240), (4, 4))
    assert len(scene.annotations) == 4
    total = np.zeros((240, 320), int)
    for person in scene.annotations:
        total += person.mask
        rows, columns = np.nonzero(person.mask)
        assert person.area == len(rows)
        assert person.bbox.tolist() == [
            columns.min(),
            rows.min(),
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
    assert total.max() == 1  # no pixel belongs to two people


def test_outlines_of_a_rectangle_and_a_speck():
    mask = np.zeros((40, 50), bool)
    mask[10:30, 5:25] = True
    mask[2, 40] = True
    polygons = outlines(mask, np.array([5, 2, 36, 28]))
    assert len(polygons) == 1
    shape = np.reshape(polygons[0], (-1, 2))
    assert np.abs(shape.min(axis=0) - (5, 10)).max() <= 0.25
    assert np.abs(shape.max(axis=0) - (25, 30)).max() <= 0.25


# Difficulty.


def people_of(coco: COCO) -> tuple[list[dict], np.ndarray, np.ndarray]:
    people = list(coco.anns.values())
    return (
        people,
        np.reshape([p['keypoints'] for p in people], (-1, 17, 3)).astype(float),
        np.array([p['bbox'] for p in people], float),
    )


def keypoint_ap(coco: COCO, people: list[dict], points: np.ndarray) -> float:
    """Return COCO's AP of points (N, 17, 2) with score 1, one set per person."""
    ones = np.ones((17, 1))
    results = [
        {
            'image_id': p['image_id'],
            'category_id': 1,
            'score': 1.0,
            'keypoints': np.hstack((k, ones)).ravel().tolist(),
        }
        for p, k in zip_equal(people, points)
    ]
    evaluation = COCOeval(coco, coco.loadRes(results), 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def test_the_mean_pose_scores_below_a_tenth(dataset, val):
    _, keypoints, boxes = people_of(COCO(str(dataset / 'annotations/person_keypoints_train.json')))
    labeled = keypoints[..., 2:] > 0
    normalized = (keypoints[..., :2] - boxes[:, None, :2]) / boxes[:, None, 2:]
    mean = (normalized * labeled).sum(axis=0) / labeled.sum(axis=0)
    people, truth, boxes = people_of(val)
    assert len(people) >= 120
    assert keypoint_ap(val, people, boxes[:, None, :2] + mean * boxes[:, None, 2:]) < 0.1
    assert keypoint_ap(val, people, truth[..., :2]) > 0.99  # the same measure for the ground truth


# Detections.


def test_detection_file(dataset, val):
    detections = json.loads((dataset / 'annotations/person_detections_val.json').read_text())
    assert detections
    for entry in detections:
        assert set(entry) == {'image_id', 'category_id', 'bbox', 'score'}
        assert entry['image_id'] in val.imgs and entry['category_id'] == 1
        x, y, w, h = entry['bbox']
        assert 0 <= x and 0 <= y and x + w <= 320.01 and y + h <= 240.01 and min(w, h) >= 2
        assert 0 < entry['score'] < 1
    evaluation = COCOeval(val, val.loadRes(detections), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 0.6 < evaluation.stats[0] < 0.95 and evaluation.stats[1] > 0.85


def test_detections_jitter_miss_and_err():
    rng = np.random.default_rng(0)
    boxes, shown = np.array([(40, 40, 60, 150), (200, 60, 50, 120)], float), np.array([1.0, 0.4])
    overlaps, scores, found = [], [], np.zeros(2)
    for _ in range(600):
        results = detect(rng, boxes, shown, (320, 240))
        assert [s for _, s in results] == sorted((s for _, s in results), reverse=True)
        if not results:
            continue
        iou = box_iou(np.array([box for box, _ in results]), boxes)
        overlaps += iou.max(axis=1).tolist()
        scores += [score for _, score in results]
        found += (iou > 0.5).any(axis=0)
    overlaps, scores = np.array(overlaps), np.array(scores)
    missed = 1 - found / 600
    assert missed[0] < 0.04 and 0.05 < missed[1] < 0.25  # hidden people are missed more often
    assert 0.8 < np.median(overlaps) < 0.95
    assert 0.2 < (overlaps < 0.2).sum() / 600 < 0.5  # false positives per image
    assert np.corrcoef(overlaps, scores)[0, 1] > 0.6
    assert scores[overlaps < 0.2].mean() < 0.3 < 0.7 < scores[overlaps > 0.85].mean()


def test_box_iou_equals_a_loop():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(1, 20, (5, 4)), rng.uniform(1, 20, (6, 4))
    for i, (x, y, w, h) in enumerate(first):
        for j, (a, b, c, d) in enumerate(second):
            overlap = max(0, min(x + w, a + c) - max(x, a)) * max(0, min(y + h, b + d) - max(y, b))
            expected = overlap / (w * h + c * d - overlap)
            assert box_iou(first, second)[i, j] == pytest.approx(expected)


# Crowds.


def test_thirty_people_in_each_image(tmp_path):
    out = generate(tmp_path / 'crowd', {'val': 3}, people=(30, 30), progress=False, workers=1)
    coco = COCO(str(out / 'annotations/person_keypoints_val.json'))
    for number in coco.getImgIds():
        people = coco.loadAnns(coco.getAnnIds(imgIds=number))
        assert len(people) == 30
        seen = (np.reshape([p['keypoints'] for p in people], (30, 17, 3))[..., 2] == 2).sum(axis=1)
        assert seen.min() >= 4 and seen.mean() >= 10
