# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""All losses are finite, with gradients, on degenerate targets and any predictions."""

import functools

import numpy as np
import torch
from degenerate_people import drawn_both_ways, map_values, people
from hypothesis import strategies as st
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from property_settings import holds_for

import mmpose_ext  # noqa: F401

K = 17
TREE = dict(edges=((0, 1), (0, 2), (2, 3)), sigmas=[0.05] * 4, radius=6.0)
COMPOSITE_LOSSES = [
    *(
        dict(type='CompositeLocalizationLoss', region=region, heatmap_reduction=reduction)
        for region in ('predicted', 'target', 'union')
        for reduction in ('mean', 'sum')
    ),
    dict(type='PeakOffsetLoss'),
    dict(type='BinaryHeatmapOffsetLoss'),
]
#: Values of a model's first steps and of a diverging one; larger squares exceed float32.
SCALES = (0.0, 1e-6, 1.0, 30.0, 1e6)


def predictions(draw, targets, names, perfect=True):
    """Draw maps of the targets' shapes, with gradients: any values, or the targets themselves."""
    maps = {}
    for name in names:
        if perfect and draw(st.integers(0, 4)) == 0:
            value = targets[name].clone()
        else:
            value = draw(map_values(tuple(targets[name].shape), scales=SCALES))
        maps[name] = value.requires_grad_()
    return maps


def assert_learns(losses, maps):
    """Check that losses are finite and not negative, and that gradients are finite."""
    for name, value in losses.items():
        assert value.shape == () and value.isfinite() and value >= 0, (name, value)
    sum(losses.values()).backward()
    for name, value in maps.items():
        assert value.grad is None or value.grad.isfinite().all(), name


@st.composite
def composite_cases(draw):
    stride = draw(st.sampled_from((4, 8, 16, 32)))
    size = (64, 96)
    config = dict(type='CompositeLocalization', input_size=size, stride=stride)
    batch = draw(st.lists(people(size, K, numbers=(1,)), min_size=1, max_size=2))
    codec, targets, _ = drawn_both_ways(config, batch)
    maps = predictions(draw, targets, ('heatmaps', 'offsets'))
    return draw(st.sampled_from(COMPOSITE_LOSSES)), codec, targets, maps


@holds_for(long=700, case=composite_cases())
def test_composite_losses(case):
    config, codec, targets, maps = case
    losses = MODELS.build(config)(maps, targets, codec.tau)
    assert_learns(losses, maps)
    if not targets['keypoint_weights'].any():
        assert sum(losses.values()) == 0
        assert not any(value.grad.any() for value in maps.values())


@st.composite
def cluster_cases(draw):
    size = (64, 96)
    config = dict(
        type='ClusterTag',
        input_size=size,
        heatmap_size=(16, 24),
        clusters=draw(st.sampled_from((1, 3, 5, 17))),
    )
    batch = draw(st.lists(people(size, K), min_size=1, max_size=2))
    codec, targets, _ = drawn_both_ways(config, batch)
    maps = predictions(draw, dict(targets, tags=targets['heatmaps']), ('heatmaps', 'tags'))
    loss = dict(
        type='ClusterTagLoss',
        reading=draw(st.sampled_from(('offset', 'printed'))),
        margin=draw(st.sampled_from((1e-3, 1.0, 4.0))),
    )
    return loss, codec, targets, maps


@holds_for(long=700, case=cluster_cases())
def test_cluster_tag_loss(case):
    config, codec, targets, maps = case
    loss = MODELS.build(config)
    losses = loss(maps, targets, codec.cluster_of, codec.place_in_cluster, codec.delta)
    assert_learns(losses, maps)
    # tags count at labeled keypoints only
    if not targets['keypoint_weights'].any():
        assert losses['loss_pull'] == losses['loss_push'] == 0
        assert not maps['tags'].grad.any()
    # with one person per image, there is nobody to push away
    if targets['keypoint_weights'].amax(-1).gt(0).sum(-1).max() <= 1:
        assert losses['loss_push'] == 0


@st.composite
def disk_cases(draw):
    size = (41, 33)
    config = dict(type='DiskOffset', input_size=size, map_size=(21, 17), **TREE)
    batch = draw(st.lists(people(size, 4), min_size=1, max_size=2))
    images = None
    if draw(st.booleans()):  # any cells may be excluded from the loss, even all
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        high = draw(st.sampled_from((1, 2)))
        images = [
            dict(
                instance_map=rng.integers(0, len(one.points) + 1, (17, 21)).astype(np.int16),
                loss_mask=rng.integers(0, high, (17, 21)).astype(np.uint8),
            )
            for one in batch
        ]
    codec, targets, _ = drawn_both_ways(config, batch, images)
    maps = predictions(draw, targets, codec.decoded_names)
    refined = predictions(draw, targets, ('mid_offsets', 'long_offsets'))
    return draw(st.sampled_from((0.0, 0.5, 1.0))), codec, targets, maps, refined


@holds_for(long=700, case=disk_cases())
def test_disk_offset_loss(case):
    share, codec, targets, maps, refined = case
    loss = MODELS.build(dict(type='DiskOffsetLoss', raw_share=share))
    losses = loss(maps, refined, targets, codec.radius)
    refined = {f'refined {name}': value for name, value in refined.items()}
    assert_learns(losses, {**maps, **refined})
    if not targets['heatmaps'].any():
        assert losses['loss_short'] == losses['loss_mid'] == 0
    if not targets['loss_weights'].any():
        # only that people are bodies
        assert sum(losses.values()) - losses['loss_body'] == losses['loss_short'] == 0
        if not targets['body_heatmaps'].any():
            assert losses['loss_body'] == 0


@st.composite
def heatmap_cases(draw):
    size = (24, 32)
    config = dict(type='FullResolutionHeatmap', input_size=size, sigma=2.0)
    batch = draw(st.lists(people(size, K, numbers=(1,)), min_size=1, max_size=2))
    return batch, drawn_both_ways(config, batch)[1], draw(st.integers(0, 2**32 - 1))


@holds_for(long=400, case=heatmap_cases())
def test_full_resolution_heads_loss(case):
    """The head with mmpose's own loss is finite from features to gradients."""
    batch, targets, seed = case
    head = full_resolution_head()
    samples = [sample_of(one) for one in batch]
    features = torch.randn(len(batch), 4, 1, 1, generator=torch.Generator().manual_seed(seed))
    losses = head.loss((features.requires_grad_(),), samples)
    total = sum(value for name, value in losses.items() if 'loss' in name)
    assert total.isfinite() and total >= 0
    total.backward()
    assert features.grad.isfinite().all()
    if not targets['keypoint_weights'].any():
        assert total == 0


@functools.lru_cache(maxsize=None)
def full_resolution_head():
    init_default_scope('mmpose')
    return MODELS.build(
        dict(
            type='FullResolutionHead',
            in_channels=4,
            out_channels=K,
            deconv_out_channels=(4,) * 5,
            loss=dict(type='KeypointMSELoss', use_target_weight=True),
            decoder=dict(type='FullResolutionHeatmap', input_size=(24, 32), sigma=2.0),
        )
    )


def sample_of(one):
    """Make a sample with only the people's points."""
    sample = PoseDataSample()
    sample.gt_instance_labels = InstanceData(
        target_keypoints=one.points * (one.visible > 0)[..., None],
        keypoint_weights=one.visible,
    ).to_tensor()
    return sample
