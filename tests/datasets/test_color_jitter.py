# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Color jitter equals its three steps one after the other."""

import numpy as np
import pytest

from mmpose_ext.datasets import ColorJitter

GRAY = np.array([0.114, 0.587, 0.299])  # of B, G, R


@pytest.mark.parametrize('seed', range(5))
def test_equals_the_steps_one_by_one(seed):
    image = np.random.default_rng(seed).integers(60, 140, (9, 8, 3)).astype(np.uint8)
    jitter = ColorJitter(0.4, 0.4, 0.4)
    factors = []
    draw = jitter._factors
    jitter._factors = lambda: factors.append(draw()) or factors[-1]
    np.random.seed(seed)
    result = jitter.transform(dict(img=image))['img']
    brightness, contrast, saturation = factors[0]
    assert all(0.6 <= factor <= 1.4 for factor in factors[0])
    expected = image * brightness
    mean = (expected @ GRAY).mean()
    expected = mean + contrast * (expected - mean)
    own = (expected @ GRAY)[..., None]
    expected = own + saturation * (expected - own)
    assert result.dtype == np.uint8
    assert np.abs(result - expected.clip(0, 255)).max() <= 1.5  # cv2's gray is rounded


def test_zero_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    result = ColorJitter(0, 0, 0).transform(dict(img=image))['img']
    assert np.array_equal(result, image)


def test_clips():
    image = np.full((4, 4, 3), 250, np.uint8)
    jitter = ColorJitter(1.0, 0, 0)
    jitter._factors = lambda: np.array([2, 1, 1], np.float32)
    assert (jitter.transform(dict(img=image))['img'] == 255).all()


def test_refuses_factors_below_zero():
    with pytest.raises(ValueError, match='between 0 and 1'):
        ColorJitter(brightness=1.5)
