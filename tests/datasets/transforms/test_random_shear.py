# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
from mmpose.registry import TRANSFORMS

import mmpose_ext  # noqa: F401 (registers everything)


def build(**settings):
    return TRANSFORMS.build(dict(type='RandomShear', **settings))


def crop(x=30, y=50, height=96, width=72):
    """Return a black crop with a bright 5x5 spot around (x, y), and this point as its keypoint."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y - 2 : y + 3, x - 2 : x + 3] = 250
    points = np.array([[[x, y], [width / 2, (height - 1) / 2]]], np.float32)
    return dict(img=image, transformed_keypoints=points)


@pytest.mark.parametrize('seed', range(5))
def test_keypoints_move_with_the_picture(seed):
    np.random.seed(seed)
    before = crop()
    after = build(max_angle=30, prob=1.0)(crop())
    ys, xs = np.nonzero(after['img'][..., 0] > 100)
    found = after['transformed_keypoints'][0, 0]
    np.testing.assert_allclose(found, [xs.mean(), ys.mean()], atol=0.5)
    assert found.dtype == before['transformed_keypoints'].dtype
    # the middle row stays
    middle = after['transformed_keypoints'][0, 1]
    np.testing.assert_allclose(middle, before['transformed_keypoints'][0, 1], atol=1e-4)


def test_share_and_size_of_the_angles():
    np.random.seed(0)
    transform = build(max_angle=10, prob=0.5)
    tangents = np.array([transform._tangent() for _ in range(4000)])
    assert (tangents != 0).mean() == pytest.approx(0.5, abs=0.03)
    angles = np.degrees(np.arctan(tangents[tangents != 0]))
    assert np.abs(angles).max() <= 10
    assert angles.std() == pytest.approx(10 / np.sqrt(3), abs=0.3)


def test_without_shearing_the_sample_is_untouched():
    sample = crop()
    assert build(prob=0.0)(sample)['img'] is sample['img']


@pytest.mark.parametrize('wrong', [dict(max_angle=60), dict(prob=-0.1)])
def test_bad_settings_are_refused(wrong):
    with pytest.raises(ValueError, match='RandomShear: max_angle must be'):
        build(**wrong)
