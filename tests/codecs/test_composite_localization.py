# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpose.registry import KEYPOINT_CODECS

from mmpose_ext.codecs import CompositeLocalization
from mmpose_ext.utils.sequences import zip_equal

SIZE = (96, 128)  # [w, h], divisible by all strides
STRIDES = (4, 8, 16, 32)


def codec(**kwargs):
    return CompositeLocalization(**{'input_size': SIZE, **kwargs})


def plain_draw(keypoints, weights, stride, sigma=16.0, norm='squared'):
    """Compute Eq. 1 to 3 cell by cell in double precision, for one person (K, 2)."""
    w, h = SIZE[0] // stride, SIZE[1] // stride
    num = len(keypoints)
    heatmaps, offsets = np.zeros((num, h, w)), np.zeros((2 * num, h, w))
    new_weights = np.zeros(num)
    for k, (gx, gy) in enumerate(np.asarray(keypoints, np.float64)):
        inside = -0.5 <= gx <= SIZE[0] - 0.5 and -0.5 <= gy <= SIZE[1] - 0.5
        new_weights[k] = weights[k] if inside else 0
        for i in range(h):
            for j in range(w):
                # the mean of the pixels that the cell covers
                cx = np.mean(range(j * stride, (j + 1) * stride))
                cy = np.mean(range(i * stride, (i + 1) * stride))
                distance = math.hypot(gx - cx, gy - cy)
                power = distance**2 if norm == 'squared' else distance
                if new_weights[k] > 0:
                    heatmaps[k, i, j] = math.exp(-power / (2 * sigma**2))
                offsets[k, i, j] = (gy - cy) / stride
                offsets[num + k, i, j] = (gx - cx) / stride
    return heatmaps, offsets, new_weights


def plain_decode(heatmaps, offsets, stride, tau=0.6, peak=False):
    """Decode by Section 3.4, keypoint by keypoint."""
    num, h, w = heatmaps.shape
    keypoints, scores = np.zeros((num, 2)), np.zeros(num)
    for k in range(num):
        cells = [(i, j) for i in range(h) for j in range(w) if heatmaps[k, i, j] >= tau]
        votes = [heatmaps[k, i, j] for i, j in cells]
        if not cells or peak:
            cells, votes = [np.unravel_index(heatmaps[k].argmax(), (h, w))], [1.0]
        for (i, j), vote in zip_equal(cells, votes):
            x = (j + 0.5) * stride - 0.5 + stride * offsets[num + k, i, j]
            y = (i + 0.5) * stride - 0.5 + stride * offsets[k, i, j]
            keypoints[k] += np.array([x, y]) * vote / sum(votes)
        scores[k] = heatmaps[k].max()
    return keypoints, scores


@pytest.mark.parametrize('norm', ['squared', 'plain'])
@pytest.mark.parametrize('stride', STRIDES)
def test_draw_equals_the_plain_reference(stride, norm):
    rng = np.random.default_rng(0)
    # inside, outside, on the corners of the image's area, unlabeled
    keypoints = np.concatenate(
        [
            rng.uniform(0, 95, (6, 2)),
            [[-0.5, -0.5], [95.5, 127.5], [95.6, 5], [5, -0.6], [-40, 300], [50, 50]],
        ]
    ).astype(np.float32)
    weights = np.ones(12, np.float32)
    weights[2], weights[11] = 0.5, 0
    encoded = codec(stride=stride, norm=norm).encode(keypoints[None], weights[None])
    clean = np.where(weights[:, None] > 0, keypoints, 0)
    heatmaps, offsets, new_weights = plain_draw(clean, weights, stride, norm=norm)
    np.testing.assert_allclose(encoded['heatmaps'], heatmaps, atol=1e-5)
    np.testing.assert_allclose(encoded['offsets'], offsets, atol=1e-5)
    np.testing.assert_array_equal(encoded['keypoint_weights'][0], new_weights)
    assert new_weights.tolist() == [1, 1, 0.5, 1, 1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize('peak', [False, True])
@pytest.mark.parametrize('stride', STRIDES)
def test_decode_equals_the_plain_reference(stride, peak):
    rng = np.random.default_rng(1)
    w, h = SIZE[0] // stride, SIZE[1] // stride
    heatmaps = rng.uniform(0, 0.9, (3, 7, h, w)).astype(np.float32)
    heatmaps[:, 5] *= 0.5  # no cell reaches tau
    heatmaps[:, 6] = -0.1 - heatmaps[:, 6]  # a model may give values below 0
    offsets = rng.normal(0, 1, (3, 14, h, w)).astype(np.float32)
    decoder = codec(stride=stride, decode_from='peak' if peak else 'region')
    keypoints, scores = decoder.batch_decode(torch.tensor(heatmaps), torch.tensor(offsets))
    for b in range(3):
        expected, expected_scores = plain_decode(heatmaps[b], offsets[b], stride, peak=peak)
        np.testing.assert_allclose(keypoints[b][0], expected, atol=1e-3)
        np.testing.assert_allclose(scores[b][0], expected_scores)


coordinates = st.tuples(
    st.floats(-0.5, SIZE[0] - 0.5, width=32), st.floats(-0.5, SIZE[1] - 0.5, width=32)
)


@pytest.mark.parametrize('decode_from', ['region', 'peak'])
@pytest.mark.parametrize('stride', STRIDES)
@settings(max_examples=60, deadline=None)
@given(points=st.lists(coordinates, min_size=1, max_size=5))
def test_round_trip(stride, decode_from, points):
    """Any keypoint in the image comes back from its own maps within 0.01 px."""
    both_ways = codec(stride=stride, decode_from=decode_from)
    keypoints = np.array(points, np.float32)[None]
    encoded = both_ways.encode(keypoints)
    decoded, scores = both_ways.decode(encoded)
    assert (encoded['keypoint_weights'] == 1).all()
    assert np.abs(decoded - keypoints).max() <= 0.01
    # the nearest center is at most half a cell's diagonal away
    assert scores.min() >= math.exp(-(stride**2) / 2 / (2 * 16**2)) - 1e-6


@pytest.mark.parametrize('stride', STRIDES)
def test_round_trip_of_borders_and_corners(stride):
    x = np.array([-0.5, 0, SIZE[0] - 1, SIZE[0] - 0.5, stride - 0.5, stride, 47.5])
    y = np.array([-0.5, 0, SIZE[1] - 1, SIZE[1] - 0.5, stride - 0.5, stride, 63.5])
    keypoints = np.stack(np.meshgrid(x, y), -1).reshape(1, -1, 2)
    both_ways = codec(stride=stride)
    decoded, _ = both_ways.decode(both_ways.encode(keypoints))
    assert np.abs(decoded - keypoints).max() <= 0.01


def test_only_the_cells_that_fire_count():
    """Offsets in other cells may have any value."""
    both_ways = codec()
    keypoints = np.array([[[40.3, 77.7]]])
    encoded = both_ways.encode(keypoints)
    quiet = np.repeat(encoded['heatmaps'] < both_ways.tau, 2, 0)
    assert 0 < (~quiet).sum() <= 10
    encoded['offsets'][quiet] = 1e3
    encoded['heatmaps'][encoded['heatmaps'] < both_ways.tau] = 0.59
    decoded, _ = both_ways.decode(encoded)
    assert np.abs(decoded - keypoints).max() <= 0.01


def test_unlabeled_and_outside_keypoints_decode_to_score_0():
    both_ways = codec()
    keypoints = np.array([[[np.nan, np.inf], [200.0, 5.0], [30.0, 40.0]]])
    encoded = both_ways.encode(keypoints, np.array([[0.0, 1.0, 1.0]]))
    assert encoded['keypoint_weights'].tolist() == [[0, 0, 1]]
    decoded, scores = both_ways.decode(encoded)
    assert np.isfinite(decoded).all()
    assert scores[0, :2].tolist() == [0, 0] and scores[0, 2] > 0.7


def test_below_tau_the_best_cell_points_with_its_score():
    heatmaps = torch.full((1, 1, 8, 6), 0.1)
    offsets = torch.zeros(1, 2, 8, 6)
    heatmaps[0, 0, 5, 2] = 0.55
    offsets[0, :, 5, 2] = torch.tensor([0.25, -0.5])  # y, x
    keypoints, scores = codec().batch_decode(heatmaps, offsets)
    np.testing.assert_allclose(keypoints[0], [[[2.5 * 16 - 0.5 - 8, 5.5 * 16 - 0.5 + 4]]])
    np.testing.assert_allclose(scores[0], [[0.55]])


def test_exactly_tau_fires():
    heatmaps = torch.zeros(1, 1, 8, 6)
    heatmaps[0, 0, 2, 1] = heatmaps[0, 0, 2, 3] = 0.6
    keypoints, _ = codec().batch_decode(heatmaps, torch.zeros(1, 2, 8, 6))
    np.testing.assert_allclose(keypoints[0], [[[2.5 * 16 - 0.5, 2.5 * 16 - 0.5]]])


def test_the_readings_of_the_norm():
    """With the squared norm, tau is reached within 16.2 px of the keypoint; as printed, 261 px."""
    keypoints = np.array([[[7.5, 7.5]]])
    for norm, radius in [('squared', 16.17), ('plain', 261.5)]:
        wide = CompositeLocalization((512, 4), stride=4, norm=norm)
        row = wide.encode(keypoints * [1, 0] + [0, 1.5])['heatmaps'][0, 0]
        reach = np.abs(np.arange(128) * 4 + 1.5 - 7.5)[row >= 0.6].max()
        assert radius - 4 < reach <= radius


def test_maps_of_a_mirrored_input_flip_back():
    rng = np.random.default_rng(2)
    both_ways, indices = codec(stride=8), [0, 2, 1]
    keypoints = rng.uniform(0, 95, (1, 3, 2))
    mirrored = keypoints[:, indices].copy()
    mirrored[..., 0] = SIZE[0] - 1 - mirrored[..., 0]
    expected = both_ways.draw(torch.tensor(keypoints)[None].float(), torch.ones(1, 1, 3))
    flipped = both_ways.draw(torch.tensor(mirrored)[None].float(), torch.ones(1, 1, 3))
    back = both_ways.flip(flipped, indices)
    for name in both_ways.map_names:
        torch.testing.assert_close(back[name], expected[name], atol=1e-4, rtol=0)


# case: the faulty settings, and what the error must name
@pytest.mark.parametrize(
    ('settings_', 'message'),
    [
        (dict(input_size=(100, 128)), 'not divisible by the stride 16'),
        (dict(input_size=(96, 130)), 'not divisible by the stride 16'),
        (dict(stride=5), r'stride must be one of \(4, 8, 16, 32\)'),
        (dict(tau=0), 'tau must be a finite number above 0 and below 1'),
        (dict(tau=1.0), 'tau must be a finite number above 0 and below 1'),
        (dict(tau=float('nan')), 'tau must be a finite number above 0 and below 1'),
        (dict(sigma=0), 'sigma must be a finite number above 0'),
        (dict(norm='l2'), r"norm must be one of \('squared', 'plain'\)"),
        (dict(decode_from='all'), r"decode_from must be one of \('region', 'peak'\)"),
    ],
)
def test_bad_settings_are_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        codec(**settings_)


def test_bad_maps_are_refused():
    with pytest.raises(ValueError, match='gives maps of 8x6 cells, .* needs 6x8'):
        codec().batch_decode(torch.zeros(1, 2, 6, 8), torch.zeros(1, 4, 6, 8))
    with pytest.raises(ValueError, match=r'offsets must be \(1, 4, 8, 6\)'):
        codec().batch_decode(torch.zeros(1, 2, 8, 6), torch.zeros(1, 3, 8, 6))
    heatmaps = torch.zeros(1, 2, 8, 6)
    heatmaps[0, 1, 2, 3] = float('nan')
    with pytest.raises(ValueError, match='heatmaps holds 1 NaN'):
        codec().batch_decode(heatmaps, torch.zeros(1, 4, 8, 6))
    with pytest.raises(ValueError, match='takes one person per image, got 2'):
        codec().encode(np.zeros((2, 3, 2)))


def test_built_from_a_config():
    cfg = dict(type='CompositeLocalization', input_size=(192, 256), stride=16)
    assert KEYPOINT_CODECS.build(cfg).map_size == (12, 16)
