# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Scores and suppression of people, compared with plain loops and mmpose's own functions."""

import numpy as np
import pytest
from mmpose.evaluation.functional.nms import oks_iou, oks_nms, soft_oks_nms

from mmpose_ext.codecs.disk_offset.scoring import (
    box_areas,
    claimed_scores,
    hard_nms,
    oks_matrix,
    soft_nms,
)
from mmpose_ext.codecs.disk_offset.settings import COCO_SIGMAS
from mmpose_ext.utils.sequences import zip_equal

SIGMAS = np.array(COCO_SIGMAS)


def crowd(number, seed=0):
    """Make pairs of people who resemble each other."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 100, (number, 17, 2))
    points[1::2] = points[: 2 * (number // 2) : 2] + rng.normal(0, 4, (number // 2, 17, 2))
    scores = rng.uniform(0.1, 1, (number, 17))
    areas = box_areas(points, np.ones((number, 17), bool))
    return points, scores, areas


def test_box_areas():
    points = np.array([[[1.0, 1], [5, 9], [100, 100]], [[3, 3], [3, 3], [0, 0]]])
    found = np.array([[True, True, False], [True, False, False]])
    np.testing.assert_array_equal(box_areas(points, found), [32, 1])
    assert box_areas(points[:0], found[:0]).shape == (0,)


def test_oks_is_that_of_mmpose():
    points, scores, areas = crowd(9)
    ours = oks_matrix(points, areas, SIGMAS)
    flat = np.concatenate([points, scores[..., None]], -1).reshape(len(points), -1)
    for i, row in enumerate(ours):
        expected = oks_iou(flat[i], flat, areas[i], areas, SIGMAS)
        np.testing.assert_allclose(row, expected, rtol=1e-5)


# few; many; nobody
@pytest.mark.parametrize('number', [2, 15, 0])
def test_eq_1_equals_plain_loops(number):
    points, scores, _ = crowd(number)
    order = np.argsort(-scores.mean(-1)) if number else np.zeros(0, int)
    expected = np.zeros(number)
    for rank, j in enumerate(order):
        for k in range(17):
            distances = [np.hypot(*(points[j, k] - points[b, k])) for b in order[:rank]]
            expected[j] += scores[j, k] * all(distance > 10 for distance in distances) / 17
    np.testing.assert_allclose(claimed_scores(points, scores, order, 10), expected)


# few; many; nobody
@pytest.mark.parametrize('number', [2, 15, 0])
def test_suppression_is_that_of_mmpose(number):
    points, scores, areas = crowd(number)
    people = scores.mean(-1) if number else np.zeros(0)
    oks = oks_matrix(points, areas, SIGMAS)
    flat = [np.concatenate([p, s[:, None]], -1) for p, s in zip_equal(points, scores)]
    database = [dict(keypoints=p, score=s, area=a) for p, s, a in zip_equal(flat, people, areas)]
    kept = hard_nms(oks, people, 0.5)
    assert kept.tolist() == list(oks_nms(database, 0.5, SIGMAS))
    assert len(kept) == (number + 1) // 2
    lowered = soft_nms(oks, people, 0.5)
    expected = people.copy()
    for step in range(number):  # mmpose's order of people, our scores of those that remain
        remaining = [i for i in range(number) if i not in expected_order(people, oks)[:step]]
        best = max(remaining, key=lambda i: expected[i])
        for i in remaining:
            if i != best:
                expected[i] *= np.exp(-(oks[best, i] ** 2) / 0.5)
    np.testing.assert_allclose(lowered, expected)
    assert (lowered <= people + 1e-12).all()
    if number:
        first = soft_oks_nms(database, 0.5, max_dets=number, sigmas=SIGMAS)[:2]
        assert list(first) == expected_order(people, oks)[:2]


def expected_order(people, oks):
    """Return the order in which soft-NMS processes people."""
    scores, order = people.copy(), []
    while len(order) < len(people):
        best = max((i for i in range(len(people)) if i not in order), key=lambda i: scores[i])
        order.append(best)
        for i in range(len(people)):
            if i not in order:
                scores[i] *= np.exp(-(oks[best, i] ** 2) / 0.5)
    return order
