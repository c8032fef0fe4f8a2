# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import math

import pytest
import torch
from mmpose.registry import MODELS

from mmpose_ext.codecs import CompositeLocalization
from mmpose_ext.models.losses.composite_localization_loss import target_region

SIZE, TAU, B, K = (96, 128), 0.6, 3, 4
TYPES = ('CompositeLocalizationLoss', 'PeakOffsetLoss', 'BinaryHeatmapOffsetLoss')


def batch(seed=0, stride=16):
    """Make targets of random keypoints, and a prediction that fires at right and wrong cells."""
    generator = torch.Generator().manual_seed(seed)
    codec = CompositeLocalization(SIZE, stride=stride)
    keypoints = torch.rand(B, 1, K, 2, generator=generator) * torch.tensor([95.0, 127.0])
    weights = torch.ones(B, 1, K)
    weights[0, 0, 1], weights[1, 0, 2] = 0, 0.5
    targets = codec.draw(keypoints, weights)
    noise = torch.rand(targets['heatmaps'].shape, generator=generator)
    heatmaps = 0.4 * targets['heatmaps'] + 0.45 * noise
    heatmaps[2] = 0.1  # fires nowhere
    offsets = torch.randn(targets['offsets'].shape, generator=generator)
    return dict(heatmaps=heatmaps, offsets=offsets), targets


def smooth_l1(x):
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def plain_loss(kind, region_of, maps, targets):
    """Compute Eq. 4 to 6 (or the losses for comparison), cell by cell."""
    heatmap_loss = offset_loss = 0.0
    h, w = maps['heatmaps'].shape[-2:]
    for b in range(B):
        for k in range(K):
            weight = targets['keypoint_weights'][b, 0, k].item()
            predicted = maps['heatmaps'][b, k].tolist()
            target = targets['heatmaps'][b, k].tolist()
            cells = [(i, j) for i in range(h) for j in range(w)]
            peak = max(cells, key=lambda c: target[c[0]][c[1]])
            right = {c for c in cells if target[c[0]][c[1]] >= TAU} | {peak}
            fired = {c for c in cells if predicted[c[0]][c[1]] >= TAU}
            region = {
                'predicted': fired or right,
                'target': right,
                'union': fired | right,
                'asked': fired or right | {max(cells, key=lambda c: predicted[c[0]][c[1]])},
                'peak': {peak},
            }[region_of]
            total = 0.0
            for i, j in cells:
                p, t = predicted[i][j], target[i][j]
                if kind == 'BinaryHeatmapOffsetLoss':
                    probability = 1 / (1 + math.exp(-p))
                    positive = (i, j) in right
                    total -= math.log(probability if positive else 1 - probability)
                else:
                    total += (p - t) ** 2
            heatmap_loss += weight * total / len(cells)
            total = 0.0
            for i, j in region:
                for axis in (k, K + k):
                    error = (maps['offsets'] - targets['offsets'])[b, axis, i, j].item()
                    total += error**2 if kind == 'PeakOffsetLoss' else smooth_l1(error)
            offset_loss += weight * total / len(region)
    return 0.5 * heatmap_loss / (B * K), 2 * offset_loss / (B * K)


# case: loss, its region, stride (at 32 tau may be reached nowhere in the target)
@pytest.mark.parametrize('stride', [16, 32])
@pytest.mark.parametrize(
    ('kind', 'region'),
    [
        ('CompositeLocalizationLoss', 'predicted'),
        ('CompositeLocalizationLoss', 'target'),
        ('CompositeLocalizationLoss', 'union'),
        ('CompositeLocalizationLoss', 'asked'),
        ('PeakOffsetLoss', 'peak'),
        ('BinaryHeatmapOffsetLoss', 'target'),
    ],
)
def test_equals_the_plain_reference(kind, region, stride):
    maps, targets = batch(stride=stride)
    cfg = dict(type=kind)
    if kind == 'CompositeLocalizationLoss':
        cfg['region'] = region
    losses = MODELS.build(cfg)(maps, targets, TAU)
    expected = plain_loss(kind, region, maps, targets)
    assert losses['loss_heatmap'].item() == pytest.approx(expected[0], rel=1e-4)
    assert losses['loss_offset'].item() == pytest.approx(expected[1], rel=1e-4)


@pytest.mark.parametrize('kind', TYPES)
def test_heatmap_reduction(kind):
    maps, targets = batch()
    mean, total = (
        MODELS.build(dict(type=kind, heatmap_reduction=reduction))(maps, targets, TAU)
        for reduction in ('mean', 'sum')
    )
    cells = maps['heatmaps'][0, 0].numel()
    torch.testing.assert_close(total['loss_heatmap'], cells * mean['loss_heatmap'])
    torch.testing.assert_close(total['loss_offset'], mean['loss_offset'])


@pytest.mark.parametrize(
    'cells, reduction, ratio',
    [(8, 'mean', 31), (16, 'mean', 119), (8, 'sum', 0.48), (16, 'sum', 0.46)],
)
def test_gradients_at_the_first_step(cells, reduction, ratio):
    """The ratio of the offsets' gradient to the heatmaps' is as docs/ says."""
    codec = CompositeLocalization((16 * cells, 16 * cells))
    keypoints = 16 * cells * torch.rand(32, 1, 14, 2)
    targets = codec.draw(keypoints, torch.ones(32, 1, 14))
    names = ('heatmaps', 'offsets')
    maps = {name: torch.zeros_like(targets[name], requires_grad=True) for name in names}
    loss = MODELS.build(dict(type='CompositeLocalizationLoss', heatmap_reduction=reduction))
    sum(loss(maps, targets, TAU).values()).backward()
    heatmaps, offsets = (maps[name].grad.norm() for name in names)
    assert (offsets / heatmaps).item() == pytest.approx(ratio, rel=0.05)


@pytest.mark.parametrize('kind', TYPES)
def test_an_empty_region_still_teaches_the_offsets(kind):
    """In the first iterations, nothing is predicted anywhere."""
    _, targets = batch()
    maps = {
        name: torch.zeros_like(targets[name], requires_grad=True)
        for name in ('heatmaps', 'offsets')
    }
    losses = MODELS.build(dict(type=kind))(maps, targets, TAU)
    sum(losses.values()).backward()
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())
    taught = maps['offsets'].grad.unflatten(1, (2, K)).abs().sum(1) > 0
    labeled = targets['keypoint_weights'][:, 0] > 0
    assert (taught.flatten(2).any(-1) == labeled).all()
    # only where the keypoint is
    assert not taught[targets['heatmaps'] < TAU].any()
    assert maps['heatmaps'].grad.isfinite().all()


def test_the_predicted_region_is_where_decoding_asks():
    maps, targets = batch()
    maps = {name: value.clone().requires_grad_() for name, value in maps.items()}
    losses = MODELS.build(dict(type='CompositeLocalizationLoss'))(maps, targets, TAU)
    losses['loss_offset'].backward()
    assert maps['heatmaps'].grad is None  # no gradient flows through the choice of cells
    taught = maps['offsets'].grad[0, 0] != 0
    fired = maps['heatmaps'][0, 0] >= TAU
    assert fired.any() and (taught == fired).all()


@pytest.mark.parametrize('kind', TYPES)
def test_without_labeled_keypoints_the_loss_is_0(kind):
    maps, targets = batch()
    targets['keypoint_weights'] = torch.zeros(B, 1, K)
    losses = MODELS.build(dict(type=kind))(maps, targets, TAU)
    assert all(loss == 0 for loss in losses.values())


@pytest.mark.parametrize('kind', TYPES[:2])
def test_perfect_maps_cost_nothing(kind):
    _, targets = batch()
    losses = MODELS.build(dict(type=kind))(targets, targets, TAU)
    assert all(loss == 0 for loss in losses.values())


def test_target_region_always_has_the_best_cell():
    target = torch.tensor([[0.1, 0.3, 0.2, 0.0]]).view(1, 1, 2, 2)
    assert target_region(target, TAU).flatten().tolist() == [False, True, False, False]


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match='region must be one of .*asked'):
        MODELS.build(dict(type='CompositeLocalizationLoss', region='all'))
    with pytest.raises(ValueError, match="heatmap_reduction must be 'mean' or 'sum'"):
        MODELS.build(dict(type='PeakOffsetLoss', heatmap_reduction='none'))
