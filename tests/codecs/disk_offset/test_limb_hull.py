# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The limbs' hull agrees with shapely, cell by cell."""

import numpy as np
import torch
from shapely.geometry import MultiPoint, Point

from mmpose_ext.codecs.disk_offset.kinematic_graph import COCO_EDGES
from mmpose_ext.codecs.disk_offset.limb_hull import (
    COCO_TRUNK,
    HALF_WIDTH,
    LEAST_HALF_WIDTH,
    draw_limb_hulls,
)
from mmpose_ext.utils.sequences import zip_equal

SIZE, PITCH = (41, 31), torch.tensor([3.0, 3.5])


def plain_hulls(points, labeled):
    """Return how far, in input pixels, each cell is inside each person's shape: (N, h, w)."""
    depth = np.full((len(points), SIZE[1], SIZE[0]), -np.inf)
    for n, person in enumerate(points):
        own = person[labeled[n]]
        half = max(LEAST_HALF_WIDTH, HALF_WIDTH * np.hypot(*(own.max(0) - own.min(0))))
        for part in (*COCO_EDGES, COCO_TRUNK):
            chosen = [person[k] for k in part if labeled[n, k]]
            if not chosen:
                continue
            hull = MultiPoint(chosen).convex_hull
            for y, x in np.ndindex(SIZE[1], SIZE[0]):
                distance = hull.distance(Point(x * 3.0, y * 3.5))
                depth[n, y, x] = max(depth[n, y, x], half - distance)
    return depth


def test_hulls_equal_plain_distances():
    rng = np.random.default_rng(0)
    points = (rng.uniform(0, 100, (3, 17, 2)) * [[[1]], [[0.4]], [[0.15]]]).astype(np.float32)
    points[1] += 30
    points[2] += (80, 60)
    points[0, 5:7] = points[0, 5]  # a level, empty limb
    labeled = rng.uniform(size=(3, 17)) > 0.3
    depth = plain_hulls(points, labeled)
    size = [np.ptp(p[own], axis=0) for p, own in zip_equal(points, labeled)]
    order = np.argsort([np.hypot(*extent) for extent in size])
    expected, clear = np.zeros(SIZE[::-1], int), np.ones(SIZE[::-1], bool)
    for n in order[::-1]:
        expected[depth[n] > 0] = n + 1
        clear &= np.abs(depth[n]) > 1e-3
    drawn = draw_limb_hulls(
        torch.from_numpy(points)[None], torch.from_numpy(labeled)[None], SIZE, PITCH
    )[0].numpy()
    assert clear.mean() > 0.95 and len(np.unique(expected)) == 4
    np.testing.assert_array_equal(drawn[clear], expected[clear])


def test_nobody_and_people_without_keypoints():
    points = torch.zeros(2, 0, 17, 2)
    assert not draw_limb_hulls(points, points[..., 0] > 0, SIZE, PITCH).any()
    points = torch.zeros(1, 2, 17, 2)
    labeled = torch.zeros(1, 2, 17, dtype=torch.bool)
    assert not draw_limb_hulls(points, labeled, SIZE, PITCH).any()
    labeled[0, 1, 4] = True  # one keypoint: a disk
    drawn = draw_limb_hulls(points, labeled, SIZE, PITCH)
    assert drawn.unique().tolist() == [0, 2] and int((drawn > 0).sum()) == 3
