# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import math

import numpy as np
import pytest
import torch
from mmpose.codecs.utils import generate_unbiased_gaussian_heatmaps, get_heatmap_maximum
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import KEYPOINT_CODECS

from mmpose_ext.codecs import FullResolutionHeatmap
from mmpose_ext.codecs.full_resolution_heatmap import find_maximum
from mmpose_ext.utils.sequences import zip_equal

SIZE = (48, 64)
SIZES = [SIZE, (47, 63), (192, 256), (5, 3)]  # even, odd, the paper's, tiny


def draw_slowly(keypoints, weights, size, sigma):
    """Compute Eq. 1 cell by cell in float64 for one person: (K, 2), (K,) -> (K, h, w), (K,)."""
    w, h = size
    maps = np.zeros((len(keypoints), h, w))
    weights = weights.copy()
    for k, (x_k, y_k) in enumerate(keypoints):
        outside = x_k < -3 * sigma or x_k > w - 1 + 3 * sigma
        outside |= y_k < -3 * sigma or y_k > h - 1 + 3 * sigma
        if outside:
            weights[k] = 0
        if weights[k] == 0:
            continue
        for y in range(h):
            for x in range(w):
                maps[k, y, x] = math.exp(-((x - x_k) ** 2 + (y - y_k) ** 2) / (2 * sigma**2))
    return maps, weights


def fit_slowly(heatmap, reach):
    """Decode one map (h, w) in float64: arg-max, then numpy's least squares around it."""
    h, w = heatmap.shape
    y, x = divmod(int(heatmap.argmax()), w)
    score = heatmap[y, x]
    cx, cy = min(max(x, reach), w - 1 - reach), min(max(y, reach), h - 1 - reach)
    ticks = sorted({round(-reach + 2 * reach * i / 8) for i in range(9)})
    rows, values = [], []
    for dy in ticks:
        for dx in ticks:
            rows.append([1, dx, dy, dx * dx, dx * dy, dy * dy])
            values.append(math.log(max(heatmap[cy + dy, cx + dx], 1e-3 * max(score, 1e-38))))
    _, a, b, c, d, e = np.linalg.lstsq(np.array(rows, float), np.array(values), rcond=None)[0]
    flat = 1e-9  # the curvature of a constant map is the rounding error of the least squares
    if score > 0 and c < -flat and 4 * c * e - d * d > 0:
        dx, dy = np.linalg.solve([[2 * c, d], [d, 2 * e]], [-a, -b])
        if abs(cx + dx - x) <= reach and abs(cy + dy - y) <= reach:
            x = min(max(cx + dx, -0.5), w - 0.5)
            y = min(max(cy + dy, -0.5), h - 0.5)
    return (x, y), score


def random_points(size, number, seed=0, margin=0.0):
    rng = np.random.default_rng(seed)
    low, high = -margin, np.array(size) - 1 + margin
    return rng.uniform(low, high, (1, number, 2)).astype(np.float32)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('sigma', [8, 2.5])
def test_draws_equation_1(size, sigma):
    codec = FullResolutionHeatmap(size, sigma)
    keypoints = random_points(size, 9, margin=4 * sigma)
    keypoints[0, 0] = 0, size[1] - 1  # on a corner's cell
    visible = np.ones((1, 9), np.float32)
    visible[0, 1] = 0
    encoded = codec.encode(keypoints, visible)
    maps, weights = draw_slowly(keypoints[0].astype(float), visible[0], size, sigma)
    np.testing.assert_allclose(encoded['heatmaps'], maps, atol=1e-6)
    np.testing.assert_array_equal(encoded['keypoint_weights'][0], weights)
    assert encoded['heatmaps'].dtype == np.float32 and maps.max() > 0.9


def test_agrees_with_mmpose():
    """mmpose's unbiased Gaussians are the same within 3 sigma, and 0 farther away."""
    keypoints = random_points((192, 256), 17, seed=1)
    visible = np.ones((1, 17), np.float32)
    expected, _ = generate_unbiased_gaussian_heatmaps((192, 256), keypoints, visible, sigma=8)
    encoded = FullResolutionHeatmap((192, 256), 8).encode(keypoints, visible)
    difference = np.abs(encoded['heatmaps'] - expected)
    assert difference[expected > 0].max() < 1e-6
    assert difference.max() < math.exp(-4.5)


def test_no_subnormal_numbers():
    codec = FullResolutionHeatmap((192, 256), 8)
    maps = codec.draw(torch.tensor([[[[0.3, 0.7]]]]), torch.ones(1, 1, 1))['heatmaps']
    assert not ((maps > 0) & (maps < torch.finfo(torch.float32).tiny)).any()


@pytest.mark.parametrize('size', SIZES)
def test_worker_and_device_draw_the_same(size):
    batches = {}
    for on_device in (False, True):
        cfg = dict(type='FullResolutionHeatmap', input_size=size, draw_on_device=on_device)
        batches[on_device] = [sample(cfg, seed) for seed in range(3)]
    codec = KEYPOINT_CODECS.build(dict(type='FullResolutionHeatmap', input_size=size))
    worker, device = (codec.targets(batches[flag], 'cpu') for flag in (False, True))
    assert worker['heatmaps'].shape == (3, 6, size[1], size[0])
    for name, value in worker.items():
        torch.testing.assert_close(value, device[name], rtol=0, atol=1e-6)
    carried = batches[True][0].gt_instance_labels
    assert sum(value.numel() * value.element_size() for value in carried.values()) == 6 * 12
    assert 'gt_fields' not in batches[True][0]


def sample(encoder, seed):
    rng = np.random.default_rng(seed)
    w, h = encoder['input_size']
    results = dict(
        img=np.zeros((h, w, 3), np.uint8),
        transformed_keypoints=rng.uniform(-2, 1.1 * w, (1, 6, 2)),
        keypoints_visible=(rng.uniform(size=(1, 6)) > 0.3).astype(np.float32),
        dataset_keypoint_weights=np.ones((1, 6), np.float32),
    )
    return PackPoseInputs()(GenerateTarget(encoder=encoder)(results))['data_samples']


# the paper's two sizes and sigmas; a small odd size; a sigma almost as wide as the map
@pytest.mark.parametrize(
    'size, sigma', [((192, 256), 8), ((288, 384), 12), ((63, 47), 2), ((21, 33), 12)]
)
def test_round_trip(size, sigma):
    codec = FullResolutionHeatmap(size, sigma)
    keypoints = random_points(size, 40, seed=2)
    keypoints[0, :4] = [[0, 0], [size[0] - 1, size[1] - 1], [0.4, 7], [6, size[1] - 1.4]]
    decoded, scores = codec.decode(codec.encode(keypoints))
    np.testing.assert_allclose(decoded, keypoints, atol=2e-3)
    assert scores.min() > 0.7
    coarse, _ = FullResolutionHeatmap(size, sigma, refine=False).decode(codec.encode(keypoints))
    np.testing.assert_allclose(coarse, np.clip(np.round(keypoints), 0, None), atol=0.501)


# a bump with noise; only noise; only negative values; a constant; one hot cell
@pytest.mark.parametrize('kind', ['bumps', 'noise', 'negative', 'constant', 'one cell'])
def test_decoding_equals_the_slow_one(kind):
    codec = FullResolutionHeatmap(SIZE, 4)
    rng = np.random.default_rng(3)
    maps = rng.normal(0, 0.03, (3, 6, SIZE[1], SIZE[0])).astype(np.float32)
    if kind == 'bumps':
        for i in range(3):
            maps[i] += 0.7 * codec.encode(random_points(SIZE, 6, i, margin=6))['heatmaps']
    elif kind == 'negative':
        maps = -np.abs(maps) - 1e-3
    elif kind == 'constant':
        maps = np.full_like(maps, 0.25)
    elif kind == 'one cell':
        maps = np.zeros_like(maps)
        maps[:, :, 20, 30] = 1
    keypoints, scores = codec.batch_decode(torch.from_numpy(maps))
    for i, k in np.ndindex(3, 6):
        point, score = fit_slowly(maps[i, k].astype(float), codec.reach)
        np.testing.assert_allclose(keypoints[i][0, k], point, atol=0.02, err_msg=f'{i} {k}')
        assert scores[i][0, k] == pytest.approx(score)


def test_the_fit_averages_noise():
    codec = FullResolutionHeatmap((192, 256), 8)
    keypoints = torch.from_numpy(random_points((192, 256), 60, seed=5))[None]
    maps = codec.draw(keypoints, torch.ones(1, 1, 60))['heatmaps']
    maps = maps + 0.02 * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    error = (codec.locate(dict(heatmaps=maps))[0] - keypoints).norm(dim=-1).mean()
    codec = FullResolutionHeatmap((192, 256), 8, refine=False)
    coarse = (codec.locate(dict(heatmaps=maps))[0] - keypoints).norm(dim=-1).mean()
    assert (error.item(), coarse.item()) == pytest.approx((0.09, 1.1), rel=0.15)  # as in docs/


def test_find_maximum_is_mmposes_and_takes_the_first():
    maps = torch.randint(0, 40, (4, 5, 13, 11)).float()  # with ties
    maps[0, 0] = 7
    cells, values = find_maximum(maps)
    for i in range(4):
        expected, expected_values = get_heatmap_maximum(maps[i].numpy() + 1)
        np.testing.assert_array_equal(cells[i], expected)
        np.testing.assert_array_equal(values[i], expected_values - 1)
    assert cells[0, 0].tolist() == [0, 0]


@pytest.mark.parametrize('size', [(48, 64), (47, 63)])
def test_the_mirror_image_needs_no_shift(size):
    codec = FullResolutionHeatmap(size, 3)
    indices = [0, 2, 1, 4, 3]
    keypoints = torch.from_numpy(random_points(size, 5, seed=7))[None]
    mirrored = keypoints[:, :, indices].clone()
    mirrored[..., 0] = size[0] - 1 - mirrored[..., 0]
    weights = torch.ones(1, 1, 5)
    maps = codec.draw(keypoints, weights)['heatmaps']
    flipped = codec.flip(dict(heatmaps=codec.draw(mirrored, weights)['heatmaps']), indices)
    torch.testing.assert_close(flipped['heatmaps'], maps, atol=1e-5, rtol=0)


def test_bad_settings_and_inputs_are_refused():
    with pytest.raises(ValueError, match='sigma must be a finite number above 0'):
        FullResolutionHeatmap(SIZE, 0)
    with pytest.raises(ValueError, match='input_size must be .* two whole numbers of 1 or more'):
        FullResolutionHeatmap((48, 64, 3))
    codec = FullResolutionHeatmap(SIZE, 4)
    with pytest.raises(ValueError, match='one person per image, got 2'):
        codec.encode(np.zeros((2, 5, 2)))
    with pytest.raises(ValueError, match='needs one per pixel'):
        codec.batch_decode(torch.zeros(1, 5, 16, 12))
    for bad in (float('nan'), float('inf')):
        maps = torch.zeros(1, 5, SIZE[1], SIZE[0])
        maps[0, 3, 2, 1] = bad
        with pytest.raises(ValueError, match='holds 1 NaN or infinite'):
            codec.batch_decode(maps)
    maps[0, 3] = float('-inf')
    with pytest.raises(ValueError, match=f'holds {SIZE[0] * SIZE[1]} NaN or infinite'):
        codec.batch_decode(maps)


def test_negative_infinity_is_nothing():
    """A cell of negative infinity, as from a softmax mask, does not affect a maximum next to it."""
    codec = FullResolutionHeatmap(SIZE, 4)
    maps = torch.from_numpy(codec.encode(np.full((1, 5, 2), 20.3, np.float32))['heatmaps'])[None]
    masked = maps.clone()
    masked[..., 20, 23] = -1e30
    expected = codec.batch_decode(masked)
    masked[..., 20, 23] = float('-inf')
    for ours, theirs in zip_equal(codec.batch_decode(masked), expected):
        np.testing.assert_array_equal(ours, theirs)
