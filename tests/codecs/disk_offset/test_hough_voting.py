# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Votes, their maxima and the expected OKS, compared with plain loops over pixels."""

import math

import numpy as np
import pytest
import torch

from mmpose_ext.codecs.disk_offset.settings import DiskOffsetSettings
from mmpose_ext.codecs.disk_offset.voting import (
    PAD,
    accumulate,
    cast_votes,
    expected_oks,
    find_peaks,
)

SIZE, RADIUS = (37, 29), 6.0


def noisy_maps(cells, batch=2, kinds=3):
    torch.manual_seed(0)
    w, h = cells
    heatmaps = torch.rand(batch, kinds, h, w).square()
    return heatmaps, 5 * torch.randn(batch, 2 * kinds, h, w)


def settings_of(size=SIZE, radius=RADIUS, step=1.0, spacing=1.0, kinds=3):
    """Return settings of a chain of keypoints, of which every position of 0.1 or more votes."""
    chain = [(k, k + 1) for k in range(kinds - 1)]
    return DiskOffsetSettings(
        size,
        chain,
        radius=radius,
        sigmas=[0.1] * kinds,
        vote_threshold=0.1,
        vote_step=step,
        vote_spacing=spacing,
    )


def vote(heatmaps, offsets, settings):
    maps = dict(heatmaps=heatmaps, short_offsets=offsets)
    return accumulate(cast_votes(maps, settings), heatmaps[..., 0, 0].numel(), settings)


def pitch_of(cells):
    return (torch.tensor(SIZE) - 1) / (torch.tensor(cells) - 1)


def plain_votes(heatmaps, offsets, pitch, threshold, step):
    """Cast bilinear votes, position by position, on a grid with PAD cells around it."""
    batch, kinds, h, w = heatmaps.shape
    width, height = (math.ceil((n - 1) / step) + 1 + 2 * PAD for n in SIZE)
    grid = np.zeros((batch * kinds, height, width))
    area = float(pitch.prod()) / (math.pi * RADIUS**2)
    for b, k, y, x in np.ndindex(batch, kinds, h, w):
        weight = float(heatmaps[b, k, y, x])
        if weight < threshold:
            continue
        px = (x * float(pitch[0]) + float(offsets[b, 2 * k, y, x])) / step + PAD
        py = (y * float(pitch[1]) + float(offsets[b, 2 * k + 1, y, x])) / step + PAD
        column, row = math.floor(px), math.floor(py)
        if not (PAD - 1 <= column <= width - PAD - 1 and PAD - 1 <= row <= height - PAD - 1):
            continue
        for dy in (0, 1):
            for dx in (0, 1):
                share = (1 - abs(px - column - dx)) * (1 - abs(py - row - dy))
                grid[b * kinds + k, row + dy, column + dx] += weight * share * area
    return grid


# cells of a pixel; of several; grids of 2 and of 1 pixel
@pytest.mark.parametrize('cells', [(37, 29), (10, 8)])
@pytest.mark.parametrize('step', [2.0, 1.0])
def test_votes_equal_plain_loops(cells, step):
    heatmaps, offsets = noisy_maps(cells)
    pitch = pitch_of(cells)
    maps = vote(heatmaps, offsets, settings_of(step=step))
    expected = plain_votes(heatmaps, offsets, pitch, 0.1, step)
    np.testing.assert_allclose(maps.raw, expected, atol=1e-5)
    rows = expected.reshape(-1, expected.shape[-1]).any(1).nonzero()[0]
    reached = set(maps.rows.tolist())
    assert {row + shift for row in rows.tolist() for shift in (-1, 0, 1)} <= reached


def plain_peaks(raw, threshold, step):
    """Smooth binomially and find maxima in windows of 5 x 5, cell by cell."""
    planes, h, w = raw.shape
    smooth = np.zeros_like(raw)
    kernel = np.outer([1, 2, 1], [1, 2, 1])
    for p, y, x in np.ndindex(planes, h, w):
        if 1 <= y < h - 1 and 1 <= x < w - 1:
            smooth[p, y, x] = (raw[p, y - 1 : y + 2, x - 1 : x + 2] * kernel).sum() / 4
    found = []
    for p, y, x in np.ndindex(planes, h, w):
        value = smooth[p, y, x]
        if value < threshold:
            continue
        window = smooth[p, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        if value >= window.max():
            mass = raw[p, y - 1 : y + 2, x - 1 : x + 2]
            dx = (mass * [-1, 0, 1]).sum() / mass.sum()
            dy = (mass * np.array([[-1], [0], [1]])).sum() / mass.sum()
            found.append((p, (x - PAD + dx) * step, (y - PAD + dy) * step, value))
    return np.array(found)


def test_peaks_equal_plain_loops():
    heatmaps, offsets = noisy_maps((10, 8))
    maps = vote(heatmaps, offsets, settings_of(step=2.0))
    peaks = find_peaks(maps, 0.05)
    raw = maps.raw.double().numpy()
    expected = plain_peaks(raw, 0.05, 2.0)
    assert len(expected) > 20
    np.testing.assert_array_equal(peaks.plane, expected[:, 0])
    np.testing.assert_allclose(peaks.position, expected[:, 1:3], atol=1e-3)
    np.testing.assert_allclose(peaks.score, expected[:, 3], atol=1e-5)


# every cell; every second; every fourth
@pytest.mark.parametrize('spacing', [1.0, 2.0, 4.0])
def test_a_whole_disk_votes_for_one_point(spacing):
    y, x = torch.meshgrid(torch.arange(61.0), torch.arange(61.0), indexing='ij')
    offsets = torch.stack([30 - x, 28.5 - y])[None]
    heatmaps = (offsets.square().sum(1, keepdim=True) <= 16**2).float()
    maps = vote(heatmaps, offsets, settings_of((61, 61), 16.0, 2.0, spacing, kinds=1))
    assert float(maps.raw.sum()) == pytest.approx(1, abs=0.05)
    peaks = find_peaks(maps, 0.1)
    np.testing.assert_allclose(peaks.position, [[30, 28.5]], atol=1e-4)


def test_equal_neighbors_count_once():
    heatmaps, offsets = torch.zeros(1, 1, 29, 37), torch.zeros(1, 2, 29, 37)
    heatmaps[..., 10:12, 20:22] = 1
    maps = vote(heatmaps, offsets, settings_of(kinds=1))
    assert len(find_peaks(maps, 0.001).plane) == 1


# every cell of a pixel votes; every second; cells of 4 px
@pytest.mark.parametrize(('cells', 'spacing'), [((37, 29), 1.0), ((37, 29), 2.0), ((10, 8), 1.0)])
def test_expected_oks_equals_plain_loops(cells, spacing):
    heatmaps, offsets = noisy_maps(cells)
    pitch, skip = pitch_of(cells), int(spacing)
    torch.manual_seed(1)
    plane = torch.randint(6, (20,))
    position = torch.rand(20, 2) * torch.tensor(SIZE)  # also at the border
    spread = torch.rand(20) * 8 + 0.5
    maps = dict(heatmaps=heatmaps, short_offsets=offsets)
    got = expected_oks(maps, plane, position, spread, settings_of(spacing=spacing))
    heatmaps = heatmaps.flatten(0, 1).numpy()
    offsets = offsets.view(6, 2, *offsets.shape[2:]).numpy()
    for i in range(20):
        total = inside = 0.0
        point = position[i].numpy()
        for y, x in np.ndindex(*heatmaps.shape[1:]):
            here = np.array([x, y]) * pitch.numpy()
            vote = float(heatmaps[plane[i], y, x])
            if x % skip or y % skip or vote < 0.1 or np.hypot(*(here - point)) > RADIUS:
                continue
            distance = np.square(here + offsets[plane[i], :, y, x] - point).sum()
            total += vote
            inside += vote * math.exp(-float(distance) / (2 * float(spread[i]) ** 2))
        assert float(got[i]) == pytest.approx(inside / max(total, 1e-12), rel=1e-3, abs=1e-6)


def test_expected_oks_does_not_depend_on_where_cells_lie():
    """A keypoint on which all votes fall is certain, however small the person."""
    y, x = torch.meshgrid(torch.arange(61.0), torch.arange(61.0), indexing='ij')
    for point in ((30.0, 28.5), (31.3, 27.7)):
        offsets = torch.stack([point[0] - x, point[1] - y])[None]
        heatmaps = (offsets.square().sum(1, keepdim=True) <= 16**2).float()
        maps = dict(heatmaps=heatmaps, short_offsets=offsets)
        at = torch.tensor([point])
        settings = settings_of((61, 61), 16.0, spacing=4.0, kinds=1)
        got = expected_oks(maps, torch.zeros(1).long(), at, torch.ones(1), settings)
        assert float(got) == pytest.approx(1, abs=1e-4)
