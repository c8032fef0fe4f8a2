# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The branched hourglass: shapes, connections, and refused settings."""

import pytest
import torch

from mmpose_ext.models.backbones import BranchedHourglass
from mmpose_ext.utils.sequences import zip_equal

SMALL = dict(channels=20, depth=2, stem_channels=8)
SETTINGS = [
    # Cluster-1 and Cluster-2 of the paper, plain associative embedding, clusters by name
    dict(sparse_clusters=(5, 5, 5, 17), dense_clusters=(1, 1, 1, 3)),
    dict(sparse_clusters=(17, 17), dense_clusters=(1, 1)),
    dict(sparse_clusters=(17, 17), dense_clusters=None, in_branch=False, cross_branch=False),
    dict(sparse_clusters=([[*range(7)], [*range(7, 17)]], 17), dense_clusters=(1, 1)),
    dict(sparse_clusters=(17,), dense_clusters=(3,)),  # one stack: nothing to pass on
]


@pytest.mark.parametrize('settings', SETTINGS)
def test_each_branch_of_each_stack_gives_its_clusters_maps(settings):
    model = BranchedHourglass(**SMALL, **settings)
    outputs = model(torch.randn(1, 3, 32, 48))
    assert len(outputs) == len(settings['sparse_clusters'])
    for i, (stack, clusters) in enumerate(zip_equal(outputs, model.clusters)):
        branches = ['sparse'] if settings['dense_clusters'] is None else ['dense', 'sparse']
        assert list(stack) == branches == list(clusters)
        for name, maps in stack.items():
            setting = settings[f'{name}_clusters'][i]
            number = setting if isinstance(setting, int) else len(setting)
            assert maps['heatmaps'].shape == maps['tags'].shape == (1, number, 8, 12)


@pytest.mark.parametrize('wide', [False, True])
@pytest.mark.parametrize('in_branch', [False, True])
@pytest.mark.parametrize('cross_branch', [False, True])
def test_every_parameter_learns(in_branch, cross_branch, wide):
    """With losses on all maps, every layer gets a gradient, as distributed training needs."""
    options = dict(growth=8, block='conv', norm_cfg=None) if wide else {}
    model = BranchedHourglass(
        (5, 17), (1, 3), in_branch=in_branch, cross_branch=cross_branch, **SMALL, **options
    )
    outputs = model(torch.randn(2, 3, 32, 32))
    maps = [maps for stack in outputs for branch in stack.values() for maps in branch.values()]
    sum(value.square().mean() for value in maps).backward()
    without = [name for name, value in model.named_parameters() if value.grad is None]
    assert not without
    aggregations = {
        name.split('.')[2] for name, _ in model.named_parameters() if 'stacks.0' in name
    }
    assert ('cross_branch' in aggregations) == cross_branch
    has_in_branch = any('in_branch' in name for name, _ in model.named_parameters())
    assert has_in_branch == in_branch


def depends(source, target):
    """Return whether a map's value depends on a prediction layer's weights."""
    grad = torch.autograd.grad(target.sum(), source, allow_unused=True, retain_graph=True)[0]
    return grad is not None


@pytest.mark.parametrize('aggregation', [False, True])
def test_predictions_feed_the_next_stack_and_are_supervised_as_they_are(aggregation):
    model = BranchedHourglass(
        (17, 17), (1, 1), in_branch=aggregation, cross_branch=aggregation, **SMALL
    )
    first, second = model(torch.randn(1, 3, 32, 32))
    for name in ('dense', 'sparse'):
        branch = model.stacks[0].branches[name]
        for kind, sub in (('heatmaps', branch.detection), ('tags', branch.tag)):
            weight = sub.predictions.weight
            assert depends(weight, first[name][kind])
            assert depends(weight, second['sparse'][kind])
    # before aggregation: the tag layers do not reach their own stack's heatmaps
    tag_weight = model.stacks[0].branches['sparse'].tag.predictions.weight
    assert not depends(tag_weight, first['sparse']['heatmaps'])


def test_tag_scale_multiplies_the_tags_but_not_what_is_passed_on():
    model = BranchedHourglass((17, 17), (1, 1), **SMALL)
    scaled = BranchedHourglass((17, 17), (1, 1), tag_scale=4.0, **SMALL)
    model.eval()
    scaled.eval()
    scaled.load_state_dict(model.state_dict())
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        for stack, other in zip_equal(model(image), scaled(image)):
            for name, maps in stack.items():
                torch.testing.assert_close(other[name]['heatmaps'], maps['heatmaps'])
                torch.testing.assert_close(other[name]['tags'], 4 * maps['tags'])


def test_another_normalization_is_used_throughout():
    """With group normalization, an image's maps do not depend on the rest of the batch."""
    norm_cfg = dict(type='GN', num_groups=2)
    model = BranchedHourglass((5, 17), (1, 3), norm_cfg=norm_cfg, **SMALL)
    assert not [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        both, first = model(images), model(images[:1])
    torch.testing.assert_close(
        both[-1]['sparse']['tags'][:1], first[-1]['sparse']['tags'], rtol=1e-3, atol=1e-5
    )


def test_hourglass_of_associative_embeddings_code():
    """It has 3x3 convolutions, 128 more channels per level, PyTorch's initialization, no norm."""
    with torch.device('meta'):
        model = BranchedHourglass(
            dense_clusters=None,
            in_branch=False,
            cross_branch=False,
            growth=128,
            block='conv',
            norm_cfg=None,
        )
    glass = model.stacks[0].hourglass
    widths = []
    for _ in range(4):
        widths.append(glass.skip[0].conv.weight.shape)
        deepest = glass.low2
        glass = deepest
    assert widths == [(c, c, 3, 3) for c in (256, 384, 512, 640)]
    assert deepest[0].conv.weight.shape == (768, 768, 3, 3)
    assert not [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._NormBase)]
    # with its two convolutions and their biases, counted by hand
    own = [model.stacks[0].hourglass, model.stacks[0].out]
    assert sum(p.numel() for m in own for p in m.parameters()) == 34_511_872


def test_without_normalization_the_initialization_is_pytorchs():
    torch.manual_seed(0)
    model = BranchedHourglass((17, 17), (1, 1), block='conv', norm_cfg=None, **SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.init_weights()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            bound = (module.weight[0].numel()) ** -0.5
            assert module.weight.abs().max() <= bound and module.bias.abs().max() <= bound


def test_other_keypoints_by_metainfo():
    model = BranchedHourglass(
        (17,), (1,), metainfo='configs/_base_/datasets/posetrack18.py', **SMALL
    )
    assert len(model.clusters[0]['sparse']) == 17
    with pytest.raises(ValueError, match='no such partition'):
        BranchedHourglass((5,), (1,), metainfo='configs/_base_/datasets/posetrack18.py', **SMALL)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(sparse_clusters=(17, 17), dense_clusters=(1,)), '1 dense but 2 sparse'),
        (dict(dense_clusters=None), 'needs a dense branch'),
        (dict(channels=17), '17 channels leave none'),
        (dict(block='bottleneck'), "block must be one of .'residual', 'conv'.*'bottleneck'"),
        (dict(norm_cfg=None), 'need a normalization'),
    ],
)
def test_refuses_settings_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        BranchedHourglass(**{**SMALL, **settings})


def test_refuses_an_input_that_does_not_halve():
    model = BranchedHourglass((17,), (1,), **SMALL)
    with pytest.raises(ValueError, match='48x40.*divisible by 16'):
        model(torch.zeros(1, 3, 40, 48))
