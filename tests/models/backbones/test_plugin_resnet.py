# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmdet.models.backbones import ResNet as DetResNet
from mmengine.registry import DefaultScope, init_default_scope
from mmpose.models.backbones import ResNet

from mmpose_ext.models.backbones import PluginResNet

LAYERS = ['CBAM', 'SecondOrderCBAM', 'GaussianNonLocal2d', 'SecondOrderNonLocal']


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_without_plugins_it_is_mmpose_resnet(depth):
    ours, theirs = PluginResNet(depth), ResNet(depth)
    for backbone in (ours, theirs):
        backbone.eval()  # returns None in mmpose
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 3, 64, 32)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


@pytest.mark.parametrize('layer', LAYERS)
def test_plugins_after_every_stage(layer):
    backbone = PluginResNet(18, plugins=[dict(cfg=dict(type=layer))], out_indices=(0, 1, 2, 3))
    outs = backbone(torch.randn(2, 3, 64, 32))
    assert [tuple(out.shape[1:]) for out in outs] == [
        (64, 16, 8), (128, 8, 4), (256, 4, 2), (512, 2, 1)
    ]  # fmt: skip
    sum(out.square().mean() for out in outs).backward()
    assert all(p.grad is not None for p in backbone.parameters())
    plain = set(ResNet(18).state_dict())
    assert plain < set(backbone.state_dict())  # ImageNet weights load by name


def test_stages_order_and_postfix():
    backbone = PluginResNet(
        18,
        plugins=[
            dict(cfg=dict(type='CBAM', postfix='_a'), stages=(True, False, False, True)),
            dict(cfg=dict(type='CBAM', postfix='_b'), stages=(True, False, False, False)),
        ],
    )
    assert backbone.plugin_names == [['layer1_cbam_a', 'layer1_cbam_b'], [], [], ['layer4_cbam_a']]


def test_init_weights_keeps_the_non_local_block_an_identity():
    backbone = PluginResNet(18, plugins=[dict(cfg=dict(type='SecondOrderNonLocal'))])
    backbone.init_weights()
    for stage in range(1, 5):
        block = getattr(backbone, f'layer{stage}_second_order_non_local').non_local
        assert not block.conv_out.bn.weight.any()


@pytest.mark.parametrize(
    'plugin, message',
    [
        (dict(cfg=dict(type='CBAM'), stages=(True, True)), 'one bool for each of the 4 stages'),
        (dict(cfg=dict(type='CBAM'), stages=(1, 0, 1, 0)), 'one bool for each of the 4 stages'),
        (dict(cfg=dict(type='CBAM'), position='after_conv2'), 'must be "after_stage"'),
        (dict(cfg=dict(type='NoSuchLayer')), "'NoSuchLayer' is not in the MODELS registry"),
        (dict(type='CBAM'), 'needs the key "cfg"'),
        (dict(cfg=dict(type='CBAM'), stage=(True,)), "got \\['cfg', 'stage'\\]"),
    ],
)
def test_wrong_plugins_are_named(plugin, message):
    with pytest.raises(ValueError, match=r'plugins\[0\].*' + message):
        PluginResNet(18, plugins=[plugin])


def test_second_plugin_of_the_same_name_is_refused():
    with pytest.raises(ValueError, match='second layer named "layer1_cbam"'):
        PluginResNet(18, plugins=[dict(cfg=dict(type='CBAM'))] * 2)


@pytest.mark.parametrize('layer', LAYERS)
@pytest.mark.parametrize('scope', ['mmdet', 'mmpose'])
def test_layers_are_plugins_of_mmdet_resnet(layer, scope):
    previous = DefaultScope.get_current_instance()
    init_default_scope(scope)
    try:
        backbone = DetResNet(
            50,
            plugins=[
                dict(
                    cfg=dict(type=f'mmpose.{layer}'),
                    stages=(False, True, False, True),
                    position='after_conv3',
                )
            ],
        )
    finally:
        if previous is not None:
            init_default_scope(previous.scope_name)
    outs = backbone(torch.randn(1, 3, 64, 64))
    assert tuple(outs[-1].shape) == (1, 2048, 2, 2)
    assert any(layer in type(m).__name__ for m in backbone.layer2.modules())
    assert not any(layer in type(m).__name__ for m in backbone.layer1.modules())
