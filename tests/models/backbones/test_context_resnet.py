# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmpose.models.backbones import ResNet

from mmpose_ext.models.backbones import ContextResNet, PluginResNet
from mmpose_ext.utils.sequences import zip_equal

STAGES = (0, 1, 2, 3)


def randomize(model):
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if 'global_context' in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.eval()  # mmpose's ResNet.train gives back None
    return model


def test_is_the_plugin_resnet_and_gives_the_attention_too():
    ours = randomize(ContextResNet(18, out_indices=STAGES))
    plugin = randomize(
        PluginResNet(18, plugins=[dict(cfg=dict(type='GlobalContextBlock'))], out_indices=STAGES)
    )
    plugin.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 64, 64)
    maps, attention = ours(x)
    for one, two in zip_equal(maps, plugin(x)):
        torch.testing.assert_close(one, two)
    assert [tuple(a.shape) for a in attention] == [(2, 1, 64 // s, 64 // s) for s in (4, 8, 16, 32)]


def test_attention_is_that_of_each_stage():
    context = dict(type='GlobalContextBlock', hand_out='weights')
    model = randomize(ContextResNet(18, context=context, out_indices=(0, 2)))
    seen = {}
    for stage in (1, 3):
        getattr(model, f'layer{stage}').register_forward_hook(
            lambda _, __, out, stage=stage: seen.update({stage: out})
        )
    maps, attention = model(torch.randn(2, 3, 64, 48))
    for stage, out, weights in zip_equal((1, 3), maps, attention):
        block = getattr(model, f'layer{stage}_global_context')
        expected, expected_weights = block.attend(seen[stage])
        torch.testing.assert_close(out, expected)
        torch.testing.assert_close(weights, expected_weights)
        torch.testing.assert_close(weights.sum((1, 2, 3)), torch.ones(2))


def test_takes_imagenet_weights_and_starts_as_the_resnet():
    resnet, model = ResNet(18), ContextResNet(18)
    for network in (resnet, model):
        network.eval()
    missing = model.load_state_dict(resnet.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all('global_context' in name for name in missing.missing_keys)
    x = torch.randn(1, 3, 64, 48)
    torch.testing.assert_close(model(x).maps[0], resnet(x)[0])
    model.init_weights()
    assert model.layer1_global_context.channel_add_conv[-1].weight.abs().max() == 0


def test_other_plugins_come_first():
    model = ContextResNet(18, plugins=[dict(cfg=dict(type='CBAM'))], deep_stem=True)
    assert model.plugin_names[0] == ['layer1_cbam', 'layer1_global_context']
    assert model(torch.randn(1, 3, 64, 48)).maps[0].shape == (1, 512, 2, 2)


def test_a_layer_without_attention_is_refused():
    with pytest.raises(ValueError, match="'CBAM' returns no attention"):
        ContextResNet(18, context=dict(type='CBAM'))
