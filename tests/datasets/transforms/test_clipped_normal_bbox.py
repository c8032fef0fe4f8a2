# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
from mmpose.registry import TRANSFORMS

import mmpose_ext  # noqa: F401 (registers everything)


def draw(number=40000, **settings):
    np.random.seed(0)
    boxes = dict(bbox_center=np.zeros((number, 2), np.float32))
    boxes['bbox_scale'] = np.ones((number, 2), np.float32)
    result = TRANSFORMS.build(dict(type='ClippedNormalBBoxTransform', **settings))(boxes)
    return result['bbox_center'], result['bbox_scale'], result['bbox_rotation']


def test_draws_are_those_of_the_public_code():
    """The scale is clip(1 + 0.3 n, 0.7, 1.3), the rotation clip(40 n, -80, 80) in 60 % of cases."""
    center, scale, rotation = draw()
    assert (center == 0).all() and (scale[:, 0] == scale[:, 1]).all()
    normal = np.random.RandomState(1).randn(400000)
    expected = np.clip(1 + 0.3 * normal, 0.7, 1.3)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(scale[:, 0], share) == pytest.approx(
            np.quantile(expected, share), abs=0.01
        )
    rotated = rotation[rotation != 0]
    assert len(rotated) / len(rotation) == pytest.approx(0.6, abs=0.01)
    assert rotated.std() == pytest.approx(38.4, abs=0.5)
    assert np.abs(rotated).max() == 80
    assert (np.abs(rotated) > 40).mean() == pytest.approx(0.317, abs=0.01)


def test_log_scale_is_that_of_newells_code():
    """The scale is 2^clip(0.25 n, -0.5, 0.5)."""
    scale = draw(scale_std=0.25, log_scale=True)[1][:, 0]
    assert scale.dtype == np.float32
    normal = np.random.RandomState(1).randn(400000)
    expected = 2 ** np.clip(0.25 * normal, -0.5, 0.5)
    assert (scale.min(), scale.max()) == pytest.approx((expected.min(), expected.max()))
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(scale, share) == pytest.approx(np.quantile(expected, share), abs=0.01)


def test_settings():
    _, scale, rotation = draw(scale_std=0.25, rotate_std=30, rotate_prob=1.0)
    assert scale.min() == 0.75 and scale.max() == 1.25
    assert np.abs(rotation).max() == 60 and (rotation != 0).all()
    assert (draw(100, rotate_prob=0.0)[2] == 0).all()


@pytest.mark.parametrize('wrong', [dict(scale_std=1.0), dict(rotate_std=-1), dict(rotate_prob=2)])
def test_bad_settings_are_refused(wrong):
    with pytest.raises(ValueError, match='ClippedNormalBBoxTransform: scale_std must be'):
        TRANSFORMS.build(dict(type='ClippedNormalBBoxTransform', **wrong))
