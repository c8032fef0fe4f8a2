# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A person's surroundings cover what thousands of draws of the pipeline read."""

import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import (
    GetBBoxCenterScale,
    RandomBBoxTransform,
    RandomHalfBody,
    TopdownAffine,
)
from mmpose.structures.bbox import get_warp_matrix

from mmpose_ext.datasets import ClippedNormalBBoxTransform
from mmpose_ext.datasets.pack import Reach, reach_of, surroundings

UPPER, LOWER = list(range(11)), list(range(11, 17))


def person(rng):
    x, y, w, h = rng.uniform((200, 200, 20, 20), (400, 400, 300, 300))
    points = rng.uniform((x, y), (x + w, y + h), (1, 17, 2))
    return dict(
        bbox=np.array([[x, y, x + w, y + h]], np.float32),
        keypoints=points.astype(np.float32),
        keypoints_visible=(rng.random((1, 17)) < 0.9).astype(np.float32),
        upper_body_ids=UPPER,
        lower_body_ids=LOWER,
    )


@pytest.mark.parametrize(
    'draws',
    [
        [RandomBBoxTransform()],
        [RandomBBoxTransform(shift_prob=0.0, scale_factor=(0.7, 1.3), rotate_factor=40)],
        [RandomBBoxTransform(shift_prob=1.0, shift_factor=0.3, rotate_prob=0.0)],
        [ClippedNormalBBoxTransform()],
        [
            RandomBBoxTransform(shift_prob=1.0, shift_factor=0.3, rotate_prob=0.0),
            RandomBBoxTransform(shift_prob=1.0, shift_factor=0.2, rotate_prob=0.0, scale_prob=0.0),
        ],
    ],
)
@pytest.mark.parametrize('half', [False, True])
@pytest.mark.parametrize('size', [(48, 64), (64, 64), (96, 32)])
def test_holds_every_draw_and_not_much_more(draws, half, size):
    steps = [GetBBoxCenterScale(), *([RandomHalfBody(prob=1.0)] if half else []), *draws]
    affine = TopdownAffine(input_size=size)
    reach = reach_of([*steps, affine])
    rng = np.random.default_rng(0)
    np.random.seed(0)
    shares = []
    for _ in range(6):
        info = person(rng)
        x1, y1, x2, y2 = surroundings(info, reach)
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for _ in range(150):
            results = {k: np.copy(v) if isinstance(v, np.ndarray) else v for k, v in info.items()}
            for step in steps:
                results = step(results)
            scale = affine._fix_aspect_ratio(results['bbox_scale'], size[0] / size[1])
            matrix = get_warp_matrix(
                results['bbox_center'][0], scale[0], results['bbox_rotation'][0], output_size=size
            )
            corners = np.array([[0, 0], [size[0] - 1, 0], [0, size[1] - 1], np.array(size) - 1])
            inverse = cv2.invertAffineTransform(matrix)
            read = corners @ inverse[:, :2].T + inverse[:, 2]
            low, high = np.minimum(low, read.min(0)), np.maximum(high, read.max(0))
        assert (low >= (x1, y1)).all() and (high <= (x2 - 1, y2 - 1)).all()
        shares.append(np.prod(high - low) / ((x2 - x1) * (y2 - y1)))
    if not half:
        assert np.mean(shares) > 0.5


def test_union_covers_both():
    one = Reach(scale=1.5, rotation=10, narrowest=0.75, widest=0.75)
    other = Reach(scale=1.2, rotation=40, narrowest=1.0, widest=1.0)
    both = one.union(other)
    assert both.covers(one) and both.covers(other)
    assert not one.covers(other) and not other.covers(one)
    assert (both.scale, both.rotation, both.narrowest, both.widest) == (1.5, 40, 0.75, 1.0)


def test_what_is_never_drawn_does_not_count():
    step = RandomBBoxTransform(shift_prob=0.0, scale_prob=0.0, rotate_prob=0.0)
    reach = reach_of([GetBBoxCenterScale(1.1), step, TopdownAffine(input_size=(3, 4))])
    assert reach == Reach(padding=1.1, narrowest=0.75, widest=0.75)


def test_larger_of_two_half_bodies():
    steps = [RandomHalfBody(padding=1.8), RandomHalfBody(padding=1.2)]
    assert reach_of([*steps, TopdownAffine(input_size=(3, 4))]).half_body_padding == 1.8


def test_a_later_padding_enlarges_half_bodies():
    steps = [RandomHalfBody(padding=1.5), GetBBoxCenterScale(1.2), TopdownAffine(input_size=(3, 4))]
    reach = reach_of(steps)
    assert (reach.padding, reach.half_body_padding) == (1.2, pytest.approx(1.8))


def test_needs_a_topdown_affine():
    with pytest.raises(ValueError, match='no TopdownAffine'):
        reach_of([GetBBoxCenterScale()])
