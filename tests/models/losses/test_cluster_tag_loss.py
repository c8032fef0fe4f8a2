# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The loss of Eq. 1 to 8 equals a slow reference; its two readings teach different tags."""

import math

import pytest
import torch

from mmpose_ext.models import losses
from mmpose_ext.utils.sequences import zip_equal

K, C, H, W = 5, 2, 6, 7
CLUSTER_OF = torch.tensor([0, 0, 1, 1, 1])
PLACE = torch.tensor([0, 1, 0, 1, 2])
DELTA = 0.5


def tags_around(maps, targets, b, n, k, window):
    """Return a keypoint's tags: its cell's, and those around it without another keypoint."""
    indices, weights = targets['keypoint_indices'][b], targets['keypoint_weights'][b]
    center = divmod(int(indices[n, k]), W)
    others = {
        divmod(int(indices[m, j]), W)
        for m in range(len(indices))
        for j in range(K)
        if weights[m, j] > 0 and CLUSTER_OF[j] == CLUSTER_OF[k]
    } - {center}
    reach = window // 2
    cells = [
        (y, x)
        for y in range(center[0] - reach, center[0] + reach + 1)
        for x in range(center[1] - reach, center[1] + reach + 1)
    ]
    return [
        maps['tags'][b, CLUSTER_OF[k], y, x]
        for y, x in cells
        if 0 <= y < H and 0 <= x < W and (y, x) not in others
    ]


def reference(maps, targets, reading, margin=4.0, weights=(1.0, 1e-3), tag_window=1):
    """Compute Eq. 1 to 8 person by person, keypoint by keypoint and cell by cell."""
    batch = len(maps['tags'])
    mask = targets.get('heatmap_weights', torch.ones(batch, 1, H, W))
    detection = ((maps['heatmaps'] - targets['heatmaps']) ** 2 * mask).sum() / (batch * C * H * W)
    pull = push = detection * 0
    for b in range(batch):
        references, pulls = [], []
        for n in range(targets['keypoint_indices'].shape[1]):
            tags = [
                (k, tag)
                for k in range(K)
                if targets['keypoint_weights'][b, n, k] > 0
                for tag in tags_around(maps, targets, b, n, k, tag_window)
            ]
            if not tags:
                continue
            if reading == 'offset':
                normalized = means = [tag - int(PLACE[k]) * DELTA for k, tag in tags]
            else:
                means = []
                for k, _ in tags:
                    same = [tag for m, tag in tags if CLUSTER_OF[m] == CLUSTER_OF[k]]
                    means.append(sum(same) / len(same))
                normalized = [
                    mean + int(PLACE[k]) * DELTA for mean, (k, _) in zip_equal(means, tags)
                ]
            references.append(sum(means) / len(means))
            pulls.append(sum((value - references[-1]) ** 2 for value in normalized) / len(tags))
        people = len(references)
        if people:
            pull = pull + sum(pulls) / people / batch
        for n in range(people):
            for m in range(people):
                if n != m:
                    square = (references[n] - references[m]) ** 2
                    close = torch.exp(-square / (2 * margin**2))
                    push = push + close / (people * (people - 1)) / batch
    return dict(
        loss_heatmap=weights[0] * detection,
        loss_pull=weights[1] * pull,
        loss_push=weights[1] * push,
    )


def sample(people, seed=0, mask=False):
    """Make random maps and targets with people[b] people in image b, some keypoints unlabeled."""
    generator = torch.Generator().manual_seed(seed)
    batch, most = len(people), max(1, *people)
    maps = {
        name: torch.randn(batch, C, H, W, generator=generator) * 3 for name in ('heatmaps', 'tags')
    }
    weights = (torch.rand(batch, most, K, generator=generator) < 0.7).float()
    for b, number in enumerate(people):
        weights[b, number:] = 0
        weights[b, :number, seed % K] = 1
    targets = dict(
        heatmaps=torch.rand(batch, C, H, W, generator=generator),
        keypoint_indices=torch.randint(0, H * W, (batch, most, K), generator=generator),
        keypoint_weights=weights,
    )
    if mask:
        targets['heatmap_weights'] = (torch.rand(batch, 1, H, W, generator=generator) < 0.8).float()
    return maps, targets


def compute(maps, targets, reading, **options):
    loss = losses.ClusterTagLoss(reading=reading, **options)
    return loss(maps, targets, CLUSTER_OF, PLACE, DELTA)


@pytest.mark.parametrize('window', [1, 3, 5])
@pytest.mark.parametrize('reading', ['offset', 'printed'])
@pytest.mark.parametrize(
    'people, mask',
    [
        ([3, 2], False),
        ([4, 1, 0], True),  # one person, who has no pair; nobody
        ([0], False),
        ([1], True),
    ],
)
def test_equals_the_reference_in_value_and_gradient(people, mask, reading, window):
    maps, targets = sample(people, seed=sum(people), mask=mask)
    results = []
    for function in (compute, reference):
        leaves = {name: value.clone().requires_grad_() for name, value in maps.items()}
        values = function(leaves, targets, reading, tag_window=window)
        (values['loss_heatmap'] + 1e3 * values['loss_pull'] + 1e3 * values['loss_push']).backward()
        grads = {name: leaf.grad for name, leaf in leaves.items()}
        results.append((values, grads))
    (values, grads), (wanted, wanted_grads) = results
    for name, value in wanted.items():
        torch.testing.assert_close(values[name], value)
    for name, grad in wanted_grads.items():
        grad = torch.zeros_like(grads[name]) if grad is None else grad
        torch.testing.assert_close(grads[name], grad, atol=1e-5, rtol=1e-4)


def test_finite_without_people():
    maps, targets = sample([0, 0])
    maps = {name: value.requires_grad_() for name, value in maps.items()}
    values = compute(maps, targets, 'offset')
    assert values['loss_pull'] == 0 and values['loss_push'] == 0
    sum(values.values()).backward()
    assert maps['tags'].grad.eq(0).all()
    assert maps['heatmaps'].grad.isfinite().all()


def test_no_people_dimension():
    """The loss accepts a batch in which no image has an annotation (N = 0)."""
    maps, targets = sample([1])
    targets['keypoint_indices'] = targets['keypoint_indices'][:, :0]
    targets['keypoint_weights'] = targets['keypoint_weights'][:, :0]
    values = compute(maps, targets, 'offset')
    assert values['loss_pull'] == 0 and values['loss_push'] == 0


@pytest.mark.parametrize('window', [1, 3])
@pytest.mark.parametrize('reading', ['offset', 'printed'])
def test_nothing_is_read_off_the_device(reading, window):
    """On the meta device, a copy to the host or a branch on a value is an error."""
    maps, targets = sample([3, 0], mask=True)
    maps = {name: value.to('meta') for name, value in maps.items()}
    targets = {name: value.to('meta') for name, value in targets.items()}
    loss = losses.ClusterTagLoss(reading=reading, tag_window=window)
    values = loss(maps, targets, CLUSTER_OF.to('meta'), PLACE.to('meta'), DELTA)
    assert all(value.is_meta and value.shape == () for value in values.values())


def test_the_papers_weights_by_hand():
    """Two people have one keypoint each and tags 0 and 4; heatmaps are off by 1 everywhere."""
    targets = dict(
        heatmaps=torch.zeros(1, 1, 2, 2),
        keypoint_indices=torch.tensor([[[0], [3]]]),
        keypoint_weights=torch.ones(1, 2, 1),
    )
    maps = dict(heatmaps=torch.ones(1, 1, 2, 2), tags=torch.tensor([[[[0.0, 9.0], [9.0, 4.0]]]]))
    one = torch.zeros(1, dtype=torch.long)
    values = losses.ClusterTagLoss()(maps, targets, one, one, 0.03)
    assert values['loss_heatmap'] == 1
    assert values['loss_pull'] == 0
    assert values['loss_push'].item() == pytest.approx(1e-3 * math.exp(-0.5))


def test_associative_embeddings_loss():
    """It is that of the public training code: 0.5 exp(-d^2) over pairs, squares within people."""
    maps, targets = sample([3, 2])
    one = torch.zeros(K, dtype=torch.long)
    loss = losses.ClusterTagLoss(margin=0.5**0.5, push_weight=0.5)
    values = loss(maps, targets, CLUSTER_OF, one, 0.03)
    pull = push = 0
    for b, tags in enumerate(maps['tags'].flatten(2)):
        means = []
        for indices, weights in zip(targets['keypoint_indices'][b], targets['keypoint_weights'][b]):
            if weights.any():
                own = tags[CLUSTER_OF, indices][weights > 0]
                means.append(own.mean())
                pull += (own - own.mean()).square().mean() / (3 - b) / 2
        means = torch.stack(means)
        close = torch.exp(-((means[:, None] - means) ** 2))
        push += 0.5 * (close.sum() - len(means)) / (len(means) * (len(means) - 1)) / 2
    torch.testing.assert_close(values['loss_pull'], 1e-3 * pull)
    torch.testing.assert_close(values['loss_push'], 1e-3 * push)


def test_pull_weight_is_a_factor_of_the_pull_loss_alone():
    maps, targets = sample([3, 2])
    whole, part = (compute(maps, targets, 'offset', pull_weight=w) for w in (1.0, 0.25))
    assert part['loss_pull'] == whole['loss_pull'] / 4
    assert part['loss_push'] == whole['loss_push']
    assert part['loss_heatmap'] == whole['loss_heatmap']


def test_sum_over_clusters_counts_each_map_once():
    maps, targets = sample([2, 1])
    mean, total = (
        compute(maps, targets, 'offset', cluster_reduction=reduction)
        for reduction in ('mean', 'sum')
    )
    torch.testing.assert_close(total['loss_heatmap'], mean['loss_heatmap'] * C)
    assert total['loss_pull'] == mean['loss_pull'] and total['loss_push'] == mean['loss_push']


def learned_tags(reading):
    """Return the tags of two fully labeled people after descent on the loss alone."""
    indices = torch.arange(2 * K).view(1, 2, K)
    targets = dict(
        heatmaps=torch.zeros(1, C, H, W),
        keypoint_indices=indices,
        keypoint_weights=torch.ones(1, 2, K),
    )
    tags = torch.randn(1, C, H, W).requires_grad_()
    optimizer = torch.optim.Adam([tags], lr=0.05)
    for _ in range(400):
        maps = dict(heatmaps=targets['heatmaps'], tags=tags)
        values = compute(maps, targets, reading, tag_weight=1.0)
        optimizer.zero_grad()
        (values['loss_pull'] + values['loss_push']).backward()
        optimizer.step()
    return losses.cluster_tag_loss.read_tags(tags.detach(), indices, CLUSTER_OF)[0]


def test_offset_reading_teaches_place_and_person():
    tags = learned_tags('offset')
    first = tags - PLACE * DELTA
    assert (first - first.mean(1, keepdim=True)).abs().max() < 0.05
    assert (first[0].mean() - first[1].mean()).abs() > 4


def test_printed_reading_teaches_neither():
    """Within a cluster, the tags keep their initial differences."""
    torch.manual_seed(0)
    start = torch.randn(1, C, H, W)
    start = losses.cluster_tag_loss.read_tags(start, torch.arange(2 * K).view(1, 2, K), CLUSTER_OF)
    torch.manual_seed(0)
    tags = learned_tags('printed')
    moved = (tags - start[0])[:, CLUSTER_OF == 1]
    assert (moved - moved.mean(1, keepdim=True)).abs().max() < 0.05


@pytest.mark.parametrize(
    'options',
    [dict(reading='mean'), dict(margin=0), dict(cluster_reduction='max'), dict(tag_window=2)],
)
def test_refuses_bad_options(options):
    with pytest.raises(ValueError, match='ClusterTagLoss'):
        losses.ClusterTagLoss(**options)
