# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Keypoints between cells are exact on Gaussians, and good if single cells err."""

import numpy as np
import pytest
import torch
from cluster_tag_maps import make

from mmpose_ext.codecs import ClusterTag
from mmpose_ext.codecs.cluster_tag.decoding import DeviceMaps
from mmpose_ext.codecs.cluster_tag.numpy_maps import NumpyMaps
from mmpose_ext.codecs.cluster_tag.people import PeopleFinder
from mmpose_ext.codecs.cluster_tag.refinement import GaussianFit


def steps_of(fit):
    """Return the square's cells (S, 2), [x, y] from its center."""
    return np.stack(np.meshgrid(fit.ticks, fit.ticks), -1).reshape(-1, 2)


def gaussians(tops, steps, sigma, widths=(1.0, 1.0)):
    scaled = (steps - tops[:, None]) / (sigma * np.array(widths))
    return np.exp(-0.5 * np.square(scaled).sum(-1)).astype(np.float32)


def some_tops(number=200, reach=1.0):
    return np.random.default_rng(0).uniform(-reach, reach, (number, 2))


def least_squares(values, usable, steps, sigma):
    """Fit level + slope * step + bend * step^2 for one keypoint by numpy's solver."""
    chosen = usable & (values > 0)
    step, value = steps[chosen].astype(np.float64), values[chosen].astype(np.float64)
    fall = np.square(step).sum(-1, keepdims=True) / (2 * sigma**2)
    terms = np.concatenate([np.ones((len(step), 1)), step, fall], 1) * value[:, None]
    target = (np.log(value) + fall[:, 0]) * value
    share = 0.01 * np.square(value).sum()  # the bend is 0 unless the cells show one
    terms = np.concatenate([terms, [[0, 0, 0, share**0.5]]])
    _, *slope, bend = np.linalg.lstsq(terms, np.append(target, 0), rcond=None)[0]
    return (np.array(slope) * sigma**2 / (1 - bend).clip(0.25, 4)).clip(-sigma, sigma)


@pytest.mark.parametrize('sigma', [1.0, 2.0, 3.0])
def test_a_gaussian_is_found_exactly_from_any_cells(sigma):
    fit = GaussianFit(sigma)
    tops = some_tops()
    values = gaussians(tops, steps_of(fit), sigma) * 0.3
    one_half = steps_of(fit)[:, 0] <= 0
    few = np.abs(steps_of(fit)).sum(1) <= 1
    for cells in (np.ones(len(steps_of(fit)), bool), one_half, few):
        usable = np.broadcast_to(cells, values.shape)
        np.testing.assert_allclose(fit(values, usable), tops, atol=1e-3)


def test_the_fit_is_weighted_least_squares():
    fit = GaussianFit(2.0)
    rng = np.random.default_rng(1)
    values = gaussians(some_tops(), steps_of(fit), 2.0)
    values = (values * rng.normal(1, 0.3, values.shape) + rng.normal(0, 0.02, values.shape)).astype(
        np.float32
    )
    usable = rng.random(values.shape) < 0.7
    expected = [least_squares(v, u, steps_of(fit), 2.0) for v, u in zip(values, usable)]
    np.testing.assert_allclose(fit(values, usable), expected, atol=2e-3)


def test_a_neighbor_in_the_same_map_hardly_matters_to_a_small_window():
    """The network's tags need not tell their cells apart."""
    tops = some_tops(reach=0.5)
    errors = []
    for reach in (1.0, 2.0):
        fit = GaussianFit(2.0, reach)
        steps = steps_of(fit)
        both = np.maximum(gaussians(tops, steps, 2.0), gaussians(tops + [5, 0], steps, 2.0))
        errors.append(np.abs(fit(both, np.ones(both.shape, bool)) - tops).max())
    assert errors[0] < 0.1 < 0.5 < errors[1]


@pytest.mark.parametrize('clusters, reach', [(17, 4), (5, 2), (1, 2)])
def test_window_of_a_clusters_joints(clusters, reach):
    codec = ClusterTag((64, 64), (16, 16), clusters=clusters, sigma=2)
    assert PeopleFinder(codec.settings).fit.ticks[-1] == reach


def test_errors_of_single_cells_average_out():
    """Errors move the highest cell by a cell (RMS), and the top by a quarter of that."""
    fit = GaussianFit(2.0)
    rng = np.random.default_rng(2)
    tops = some_tops(500)
    values = gaussians(tops, steps_of(fit), 2.0) * rng.normal(1, 0.3, (500, len(steps_of(fit))))
    found = fit(values.astype(np.float32), np.ones(values.shape, bool))
    highest = steps_of(fit)[values.argmax(1)]
    error, of_cell = (np.sqrt(np.square(x - tops).sum(-1).mean()) for x in (found, highest))
    assert error < 0.25 < 0.9 < of_cell


@pytest.mark.parametrize(
    ('widths', 'half'),
    [((1.4, 1.4), False), ((0.7, 0.7), False), ((1.3, 1.0), False)]
    + [((1.4, 1.4), True), ((0.7, 0.7), True)],
)
def test_other_widths_than_sigma_hardly_matter(widths, half):
    """A trained network's peaks and a mean over several scales have other widths."""
    fit = GaussianFit(2.0)
    tops, steps = some_tops(reach=0.5), steps_of(fit)
    values = gaussians(tops, steps, 2.0, widths)
    usable = np.broadcast_to((steps[:, 0] <= 1) | (not half), values.shape)
    assert np.abs(fit(values, usable) - tops).max() < 0.1 + 0.15 * half


def test_nothing_to_fit():
    """There is no cell, one cell, one column, no positive value, or no keypoint."""
    fit = GaussianFit(2.0)
    values = gaussians(np.full((4, 2), 0.3), steps_of(fit), 2.0)
    usable = np.zeros(values.shape, bool)
    usable[1, len(steps_of(fit)) // 2] = usable[2:] = True
    usable[2] = steps_of(fit)[:, 0] == 0
    values[3] = -1
    expected = [[0, 0], [0, 0], [0, 0.3], [0, 0]]
    np.testing.assert_allclose(fit(values, usable), expected, atol=1e-3)
    assert fit(values[:0], usable[:0]).shape == (0, 2)
    assert np.abs(fit(gaussians(np.full((1, 2), 5.0), steps_of(fit), 2.0), usable[3:])).max() == 2


@pytest.mark.parametrize('passes', [1, 2])
def test_other_keypoints_gaussians_are_left_out(passes):
    """Two Gaussians are 1.4 cells apart and differ in their tags; a third is at the border.

    In the second pass, the first two people have the same tags.
    """
    x = torch.arange(12.0)
    centers = [(5.3, 4.2), (6.7, 4.2), (-0.3, 8.0)]
    drawn = [torch.exp(-((x - a) ** 2 + (x[:, None] - b) ** 2) / 8) for a, b in centers]
    heatmaps, owner = torch.stack(drawn).max(0)
    tags = torch.stack([owner, owner * (owner > 1)]).float()[:passes] * 2**0.5
    cells = np.array([4 * 12 + 5, 4 * 12 + 7, 8 * 12])
    finder = PeopleFinder(make(17).settings)
    maps = heatmaps[None, None], tags[None]
    for reader in (DeviceMaps(*maps), NumpyMaps(*(value.numpy() for value in maps))):
        tops = finder.tops(reader, np.zeros(3, np.int64), cells, np.full(3, 0.5, np.float32))
        found = np.stack([cells % 12, cells // 12], -1) + tops
        np.testing.assert_allclose(found, centers, atol=1e-3)
