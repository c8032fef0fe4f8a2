# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Targets drawn after mmpose's bottom-up transforms are the transformed targets."""

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmpose.registry import TRANSFORMS
from torch.nn.functional import grid_sample

from mmpose_ext.codecs import DiskOffset
from mmpose_ext.codecs.disk_offset.kinematic_graph import mirrored_edges
from mmpose_ext.datasets import PersonMasks

W, H, SIDE, K, R = 150, 120, 113, 17, 9.0
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
SHAPE = np.array(
    [
        [0, 0], [2, -3], [-2, -3], [5, -2], [-5, -2], [10, 10], [-10, 10], [15, 20], [-15, 21],
        [16, 30], [-17, 29], [7, 32], [-7, 32], [8, 46], [-8, 45], [8, 60], [-9, 61],
    ]
)  # fmt: skip


def sample():
    """Return two people near each other, one without ankles, and a crowd."""
    people = []
    for x, y in ((60, 30), (84, 38)):
        keypoints = np.concatenate([SHAPE + (x, y), np.full((K, 1), 2)], 1).astype(float)
        hull = cv2.convexHull(keypoints[:, :2].astype(np.float32))[:, 0] + 0.5
        people.append(
            dict(
                bbox=[x - 20, y - 10, 40, 75],
                keypoints=keypoints.ravel().tolist(),
                segmentation=[hull.ravel().tolist()],
                iscrowd=0,
            )
        )
    people[1]['keypoints'][-6:] = [0] * 6
    crowd = [110, 5, 145, 5, 145, 60, 110, 60]
    people.append(dict(bbox=[110, 5, 35, 55], keypoints=[0] * 51, segmentation=[crowd], iscrowd=1))
    keypoints = np.array([p['keypoints'] for p in people], np.float32).reshape(-1, K, 3)
    return dict(
        img=np.zeros((H, W, 3), np.uint8),
        img_shape=(H, W),
        ori_shape=(H, W),
        raw_ann_info=people,
        keypoints=keypoints[..., :2],
        keypoints_visible=np.minimum(keypoints[..., 2], 1),
        flip_indices=FLIP,
    )


def encode(results, size, radius):
    results = PersonMasks(map_size=size)(results)
    return DiskOffset(input_size=size, radius=radius).encode(
        results['keypoints'],
        results['keypoints_visible'],
        instance_map=results['instance_map'],
        loss_mask=results['loss_mask'],
    )


def transformed(encoded, matrix, flipped):
    """Move maps of the image into the input: positions and offsets by the matrix."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    inverse = np.linalg.inv(matrix)
    places = np.stack([x, y], -1) @ inverse[:2, :2].T + inverse[:2, 2]
    grid = torch.from_numpy(2 * places / (W - 1, H - 1) - 1).float()[None]
    moved = {}
    edges = mirrored_edges(DiskOffset((9, 9)).edges, FLIP)
    linear = torch.from_numpy(matrix[:2, :2]).float()
    for name, value in encoded.items():
        if name == 'keypoint_weights':
            continue
        value = torch.from_numpy(value)
        beyond = float(name == 'loss_weights')  # outside the image
        value = grid_sample((value - beyond)[None], grid, align_corners=True)[0] + beyond
        if name.endswith('offsets'):
            value = torch.einsum('ij,cjhw->cihw', linear, value.unflatten(0, (-1, 2)))
        if flipped and len(value) > 1:
            value = value[edges if name.startswith('mid') else FLIP]
        moved[name] = value
    return moved


# case: settings of the affine transform, whether flipped
@pytest.mark.parametrize('flipped', [False, True])
@pytest.mark.parametrize(
    'settings',
    [
        dict(scale_prob=0.0, rotate_prob=0.0, shift_prob=0.0, scale_type='long'),
        dict(rotate_prob=0.0, scale_factor=(0.7, 1.3)),  # scaled and shifted
        dict(scale_prob=0.0, shift_prob=0.0, rotate_factor=40),  # rotated
        dict(scale_factor=(0.8, 1.2), rotate_factor=40),
    ],
)
def test_encoding_commutes_with_the_transform(settings, flipped):
    init_default_scope('mmpose')
    np.random.seed(1)
    steps = [
        dict(type='BottomupRandomAffine', input_size=(SIDE, SIDE), **settings),
        dict(type='RandomFlip', prob=float(flipped)),
    ]
    results = Compose([TRANSFORMS.build(step) for step in steps])(sample())
    matrix = np.vstack([results['warp_mat'], [0, 0, 1]])
    if flipped:
        matrix = np.array([[-1, 0, SIDE - 1], [0, 1, 0], [0, 0, 1]]) @ matrix
    scale = np.sqrt(abs(np.linalg.det(matrix)))

    after = encode(results, (SIDE, SIDE), R)
    after = {name: torch.from_numpy(value) for name, value in after.items()}
    original = sample()
    # the codec leaves out keypoints outside the input
    moved = original['keypoints'] @ matrix[:2, :2].T + matrix[:2, 2]
    original['keypoints_visible'] *= ((moved >= -0.5) & (moved <= SIDE - 0.5)).all(-1)
    before = transformed(encode(original, (W, H), R / scale), matrix, flipped)

    assert (before['loss_weights'] == 0).sum() > 100
    for name in ('heatmaps', 'body_heatmaps', 'loss_weights', 'mid_weights', 'long_weights'):
        pure = (before[name] < 1e-6) | (before[name] > 1 - 1e-6)  # not on an edge
        same = (before[name] > 0.5) == (after[name] > 0.5)
        assert same[pure].float().mean() > 0.995, name
        assert (after[name] > 0.5).any()
    for name, support in (
        ('short_offsets', 'heatmaps'),
        ('mid_offsets', 'mid_weights'),
        ('long_offsets', 'long_weights'),
    ):
        both = (before[support] > 1 - 1e-6) & (after[support] > 0.5)
        error = (before[name] - after[name].unflatten(0, (-1, 2))).abs().amax(1)[both]
        assert both.sum() > 500
        # cells between the two people may belong to either
        assert (error < 2e-3).float().mean() > 0.97, name
        assert error.median() < 1e-4
