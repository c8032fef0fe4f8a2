# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The offsets of a model that is unsure where a keypoint is, by the region of the offset loss.

The model knows the keypoint up to a normal error with a standard deviation of s pixels. Its heatmap
is the one that minimizes Eq. 4, and its offsets are trained until they no longer change. If no cell
of the heatmap reaches tau, Eq. 5 trains only the target's cells. The offset of the best cell then
learns only from keypoints close to that cell, and is too short.
"""

import pytest
import torch

from mmpose_ext.codecs import CompositeLocalization
from mmpose_ext.models.losses import CompositeLocalizationLoss

SIZE, STRIDE, SIDE = (112, 112), 16, 9
CENTER = 3.5 * STRIDE - 0.5  # of the middle of the 7x7 cells


def unsure_model(deviation):
    """Return the means (M, 2) of the keypoint, all over the middle cell, and the best heatmaps."""
    steps = (torch.arange(SIDE) + 0.5) / SIDE * STRIDE - STRIDE / 2
    means = CENTER + torch.cartesian_prod(steps, steps)
    variance = 16**2 + deviation**2
    wide = CompositeLocalization(SIZE, sigma=variance**0.5)
    drawn = wide.draw(means[:, None, None], torch.ones(len(means), 1, 1))
    return means, drawn['heatmaps'] * 16**2 / variance


def slope(deviation, region, draws=48, steps=200):
    """Train the offsets; return the slope of the decoded against the true way from the center."""
    codec = CompositeLocalization(SIZE)
    loss = CompositeLocalizationLoss(region=region)
    means, heatmaps = unsure_model(deviation)
    offsets = torch.zeros(len(means), 2, 7, 7, requires_grad=True)
    optimizer = torch.optim.Adam([offsets], lr=0.1)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        keypoints = means.repeat(draws, 1) + deviation * torch.randn(draws * len(means), 2)
        targets = codec.draw(keypoints[:, None, None], torch.ones(len(keypoints), 1, 1))
        maps = dict(
            heatmaps=heatmaps.repeat(draws, 1, 1, 1), offsets=offsets.repeat(draws, 1, 1, 1)
        )
        optimizer.zero_grad()
        (len(means) * loss(maps, targets, codec.tau)['loss_offset']).backward()
        optimizer.step()
        schedule.step()
    found, _ = codec.locate(dict(heatmaps=heatmaps, offsets=offsets.detach()))
    found, true = (points.view(-1, 2) - CENTER for points in (found, means))
    return float((found * true).sum() / true.square().sum())


@pytest.mark.parametrize(
    'deviation, predicted, asked',
    [(8, 1.00, 1.00), (11, 0.93, 0.99), (13, 0.32, 0.89), (15, 0.25, 0.89)],
)
def test_offsets_are_as_long_as_the_page_says(root, deviation, predicted, asked):
    assert slope(deviation, 'predicted') == pytest.approx(predicted, abs=0.04)
    assert slope(deviation, 'asked') == pytest.approx(asked, abs=0.04)
    page = (root / 'docs' / 'composite-localization.md').read_text()
    assert f'| {deviation} px | {predicted:.2f} | {asked:.2f} |' in page
