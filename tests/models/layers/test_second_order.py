# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from mmpose.registry import MODELS

from mmpose_ext.models.layers import (
    SecondOrderCBAM,
    SecondOrderChannelAttention,
    channel_covariance,
)


def plain_channel_attention(layer: SecondOrderChannelAttention, x: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 6 with a Python loop over images and covariance rows (evaluation mode)."""
    reduced = layer.reduce(x)
    d, norm, rows = reduced.shape[1], layer.row_norm, layer.row_conv
    expansion = rows.weight.shape[0] // d
    weights = []
    for image in reduced.flatten(2):
        image = image - image.mean(1, keepdim=True)
        covariance = image @ image.T / image.shape[1]
        values = torch.empty(d * expansion, dtype=x.dtype)
        for i in range(d):
            row = (covariance[i] - norm.running_mean[i]) / (norm.running_var[i] + norm.eps).sqrt()
            row = row * norm.weight[i] + norm.bias[i]
            for e in range(expansion):
                o = i * expansion + e
                values[o] = rows.weight[o, 0, :, 0] @ row + rows.bias[o]
        values = torch.relu(values)
        weights.append(torch.sigmoid(layer.expand.weight[:, :, 0, 0] @ values + layer.expand.bias))
    return torch.stack(weights)[:, :, None, None]


def test_covariance_is_torch_cov():
    x = torch.randn(3, 5, 4, 6, dtype=torch.float64)
    expected = torch.stack([torch.cov(image.flatten(1), correction=0) for image in x])
    torch.testing.assert_close(channel_covariance(x), expected)


def test_uncentered_is_the_outer_product():
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64) + 1
    expected = torch.einsum('bcij,bdij->bcd', x, x) / 24
    torch.testing.assert_close(channel_covariance(x, center=False), expected)


def test_equals_plain_reference():
    layer = SecondOrderChannelAttention(12, covariance_channels=6).double().eval()
    layer.row_norm.running_mean.normal_()
    layer.row_norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 12, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), plain_channel_attention(layer, x))


@pytest.mark.parametrize('training', [True, False])
def test_gradient(training):
    layer = SecondOrderCBAM(6, covariance_channels=4).double().train(training)
    x = torch.randn(2, 6, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_covariance_is_float32_under_autocast():
    x = 100 + torch.randn(2, 16, 16, 16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        covariance = channel_covariance(x.bfloat16())
    assert covariance.dtype == torch.float32
    # in bfloat16 the deviations from a mean of 100 would be lost: relative error far above 1e-3
    torch.testing.assert_close(
        covariance, channel_covariance(x.bfloat16().double()).float(), rtol=1e-3, atol=1e-3
    )


def test_no_activation_between_the_convolutions():
    layer = SecondOrderChannelAttention(8, covariance_channels=4, act_cfg=None)
    assert isinstance(layer.activation, torch.nn.Identity)


def test_the_activation_is_a_setting_of_the_plugins():
    for settings in (dict(type='SecondOrderCBAM'), dict(type='SecondOrderNonLocal')):
        own = dict(covariance_channels=8, act_cfg=None)
        settings.update(own if 'CBAM' in settings['type'] else dict(cbam=own))
        layer = MODELS.build(dict(in_channels=16, **settings))
        channel = getattr(layer, 'cbam', layer).channel
        assert isinstance(channel.activation, torch.nn.Identity)
