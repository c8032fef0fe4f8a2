# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Heatmaps drawn for all keypoints at once equal those of mmpose's codecs."""

import numpy as np
import pytest
from mmpose.codecs import MSRAHeatmap, UDPHeatmap

from mmpose_ext.datasets.fast import FastMSRAHeatmap, FastUDPHeatmap

# in map cells; mmpose's codecs draw other sigmas only if unbiased
WHOLE = [dict(sigma=sigma) for sigma in (1, 2, 2.0, 3)]
KINDS = [
    *((MSRAHeatmap, FastMSRAHeatmap, settings) for settings in WHOLE),
    *((MSRAHeatmap, FastMSRAHeatmap, dict(unbiased=True, **settings)) for settings in WHOLE),
    (MSRAHeatmap, FastMSRAHeatmap, dict(unbiased=True, sigma=1.3)),
    *((UDPHeatmap, FastUDPHeatmap, settings) for settings in WHOLE),
    (UDPHeatmap, FastUDPHeatmap, dict(heatmap_type='combined')),
]


@pytest.mark.parametrize('plain, fast, settings', KINDS)
def test_is_mmposes(plain, fast, settings):
    """Heatmaps agree for keypoints on and between cells, at the border, outside and unlabeled."""
    settings = dict(input_size=(96, 128), heatmap_size=(24, 32), **settings)
    plain, fast = plain(**settings), fast(**settings)
    rng = np.random.default_rng(0)
    for number in range(60):
        points = rng.uniform((-45, -45), (140, 180), (1, 17, 2)).astype(np.float32)
        if number % 2:
            points = points.round() - 2
        visible = rng.choice([0, 0.3, 1], (1, 17)).astype(np.float32)
        given = (points, visible) if number else (points, None)
        expected, drawn = plain.encode(*given), fast.encode(*given)
        assert expected.keys() == drawn.keys()
        np.testing.assert_array_equal(drawn['keypoint_weights'], expected['keypoint_weights'])
        assert drawn['heatmaps'].dtype == np.float32
        np.testing.assert_allclose(drawn['heatmaps'], expected['heatmaps'], atol=1e-6)
        assert visible.max() == 1  # the sample's own array is unchanged
