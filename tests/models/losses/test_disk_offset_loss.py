# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import math

import pytest
import torch
from mmpose.registry import MODELS

from mmpose_ext.models.losses import DiskOffsetLoss
from mmpose_ext.utils.sequences import zip_equal

B, K, D, H, W, R = 2, 3, 4, 4, 5, 16.0
CHANNELS = dict(
    heatmaps=K,
    body_heatmaps=1,
    short_offsets=2 * K,
    mid_offsets=2 * D,
    long_offsets=2 * K,
    mid_weights=D,
    long_weights=K,
    loss_weights=1,
)
PREDICTED = ('heatmaps', 'body_heatmaps', 'short_offsets', 'mid_offsets', 'long_offsets')
WEIGHTS = dict(heatmap=4.0, body=2.0, short=1.0, mid=0.4, long=0.1)


def batch():
    """Make random maps and targets, with some cells excluded from the loss."""
    targets = {
        name: torch.randn(B, c, H, W, dtype=torch.float64) * 20
        if 'offsets' in name
        else (torch.rand(B, c, H, W) < 0.4).double()
        for name, c in CHANNELS.items()
    }
    for name in ('mid_weights', 'long_weights'):
        targets[name] *= targets['loss_weights']
    maps = {
        name: torch.randn(B, CHANNELS[name], H, W, dtype=torch.float64) * 3 for name in PREDICTED
    }
    refined = {name: maps[name] + torch.randn_like(maps[name]) for name in PREDICTED[3:]}
    leaves = [*maps.values(), *refined.values()]
    for leaf in leaves:
        leaf.requires_grad_()
    return maps, refined, targets, leaves


def plain_logistic(logits, target, counted):
    total, cells = 0.0, 0
    for b, k, i, j in cells_of(logits):
        if counted[b, 0, i, j] > 0:
            p = 1 / (1 + torch.exp(-logits[b, k, i, j]))
            total -= torch.log(p if target[b, k, i, j] > 0 else 1 - p)
            cells += 1
    return total / max(cells, 1)


def plain_offset(offsets, target, support):
    total, cells = 0.0, 0
    for b, c, i, j in cells_of(support):
        if support[b, c, i, j] > 0:
            cells += 1
            for channel in (2 * c, 2 * c + 1):
                total += abs(offsets[b, channel, i, j] - target[b, channel, i, j])
    return total / max(2 * cells, 1)


def cells_of(maps):
    return torch.cartesian_prod(*(torch.arange(n) for n in maps.shape)).tolist()


def plain_loss(maps, refined, targets, raw_share):
    """Compute the losses of Section III-B, cell by cell."""
    counted = targets['loss_weights']
    bodies = ((counted > 0) | (targets['body_heatmaps'] > 0)).double()  # without keypoints too
    losses = dict(
        loss_heatmap=4 * plain_logistic(maps['heatmaps'], targets['heatmaps'], counted),
        loss_body=2 * plain_logistic(maps['body_heatmaps'], targets['body_heatmaps'], bodies),
        loss_short=plain_offset(
            maps['short_offsets'], targets['short_offsets'], targets['heatmaps'] * counted
        )
        / R,
    )
    for name in ('mid', 'long'):
        raw, better = (
            plain_offset(
                f[f'{name}_offsets'], targets[f'{name}_offsets'], targets[f'{name}_weights']
            )
            for f in (maps, refined)
        )
        both = raw_share * raw + (1 - raw_share) * better
        losses[f'loss_{name}'] = WEIGHTS[name] * both / R
    return losses


# case: refined offsets only (the authors' code), half and half, raw ones only
@pytest.mark.parametrize('raw_share', [0.0, 0.5, 1.0])
def test_equals_the_plain_reference_in_value_and_gradient(raw_share):
    maps, refined, targets, leaves = batch()
    losses = MODELS.build(dict(type='DiskOffsetLoss', raw_share=raw_share))(
        maps, refined, targets, R
    )
    expected = plain_loss(maps, refined, targets, raw_share)
    assert list(losses) == list(expected)
    for name, value in losses.items():
        torch.testing.assert_close(value, torch.as_tensor(expected[name]))
        ours = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
        plain = torch.autograd.grad(expected[name], leaves, retain_graph=True, allow_unused=True)
        for a, b, leaf in zip_equal(ours, plain, leaves):
            zero = torch.zeros_like(leaf)
            torch.testing.assert_close(zero if a is None else a, zero if b is None else b)


def test_nothing_to_learn_costs_nothing_and_stays_finite():
    maps, refined, targets, leaves = batch()
    for name in ('heatmaps', 'body_heatmaps', 'mid_weights', 'long_weights', 'loss_weights'):
        targets[name].zero_()
    losses = DiskOffsetLoss()(maps, refined, targets, R)
    assert all(value == 0 for value in losses.values())
    sum(losses.values()).backward()
    assert all(leaf.grad is None or not leaf.grad.any() for leaf in leaves)


def test_cells_that_are_left_out_do_not_count():
    maps, refined, targets, _ = batch()
    before = DiskOffsetLoss()(maps, refined, targets, R)
    out = targets['loss_weights'] == 0
    with torch.no_grad():
        for name in PREDICTED:
            # people without keypoints are bodies too
            left = out & (targets[name] == 0) if name == 'body_heatmaps' else out
            maps[name].masked_fill_(left.expand_as(maps[name]), 50.0)
        for name in refined:
            refined[name].masked_fill_(out.expand_as(refined[name]), 50.0)
    after = DiskOffsetLoss()(maps, refined, targets, R)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


def test_perfect_maps_cost_nearly_nothing():
    _, _, targets, _ = batch()
    maps = {name: targets[name].clone() for name in PREDICTED}
    for name in PREDICTED[:2]:
        maps[name] = (2 * targets[name] - 1) * 30
    losses = DiskOffsetLoss()(maps, {n: targets[n] for n in PREDICTED[3:]}, targets, R)
    assert all(value < 1e-9 for value in losses.values())


def test_the_start_of_training_is_balanced():
    """With logits 0 and offsets R px off, each loss is its weight, times ln 2 for heatmaps."""
    _, _, targets, _ = batch()
    maps = {name: torch.zeros_like(targets[name]) for name in PREDICTED[:2]}
    maps.update({name: targets[name] + R for name in PREDICTED[2:]})
    losses = DiskOffsetLoss()(maps, maps, targets, R)
    for name, weight in WEIGHTS.items():
        scale = math.log(2) if name in ('heatmap', 'body') else 1
        assert losses[f'loss_{name}'].item() == pytest.approx(weight * scale)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='raw_share must be within 0 to 1'):
        DiskOffsetLoss(raw_share=1.5)
