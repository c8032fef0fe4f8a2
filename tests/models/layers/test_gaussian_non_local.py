# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from __future__ import annotations

import pytest
import torch
from mmcv.cnn import NonLocal2d

from mmpose_ext.models.layers import GaussianNonLocal2d, SecondOrderNonLocal, gaussian_attention
from mmpose_ext.utils.sequences import zip_equal


def pair(channels: int, sub_sample: bool = False) -> tuple[GaussianNonLocal2d, NonLocal2d]:
    """Return our block and mmcv's with the same random weights and a W_z other than zero."""
    ours = GaussianNonLocal2d(channels, sub_sample=sub_sample)
    torch.nn.init.normal_(ours.conv_out.bn.weight)
    theirs = NonLocal2d(channels, mode='gaussian', sub_sample=sub_sample, norm_cfg=dict(type='BN'))
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def plain_attention(query, key, value):
    """Compute Eq. 1, one position i and one position j at a time."""
    out = torch.zeros(*query.shape[:2], value.shape[2], dtype=query.dtype)
    for b in range(query.shape[0]):
        for i in range(query.shape[1]):
            logits = torch.stack([query[b, i] @ k for k in key[b]])
            weights = torch.exp(logits - logits.max())
            for j in range(key.shape[1]):
                out[b, i] += weights[j] / weights.sum() * value[b, j]
    return out


@pytest.mark.parametrize(
    'positions, channels',
    [
        (30, 8),  # more positions than channels: the matrix is never formed
        (70, 64),  # many channels: symmetric blocks
        (6, 16),  # fewer: plain product
    ],
)
def test_attention_equals_plain_reference(positions, channels):
    query, value = torch.randn(2, positions, channels), torch.randn(2, positions, channels // 2)
    expected = plain_attention(query.double(), query.double(), value.double())
    actual = gaussian_attention(query, query, value)
    torch.testing.assert_close(actual, expected.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('sub_sample', [False, True])
@pytest.mark.parametrize('size', [(16, 12), (4, 3)])
def test_equals_mmcv_in_float32(sub_sample, size):
    ours, theirs = pair(32, sub_sample)
    x = 0.3 * torch.randn(2, 32, *size)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    'channels, sub_sample',
    [(32, False), (32, True), (64, False)],  # 64: symmetric blocks
)
def test_gradients_equal_mmcv(channels, sub_sample):
    results = []
    for block in pair(channels, sub_sample):
        torch.manual_seed(1)
        x = torch.randn(2, channels, 10, 9, dtype=torch.float64, requires_grad=True)
        block.double()(x).square().sum().backward()
        results.append([x.grad, *(parameter.grad for parameter in block.parameters())])
    for mine, other in zip_equal(*results):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_sub_sample_can_be_initialized_again():
    GaussianNonLocal2d(8, sub_sample=True).init_weights()


def test_gradient():
    block = GaussianNonLocal2d(4).double().eval()
    torch.nn.init.normal_(block.conv_out.bn.weight)
    x = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,))


@pytest.mark.parametrize('scale', [0.0, 1.0, 1e4])  # zero, plain and huge features
def test_stays_finite(scale):
    block = GaussianNonLocal2d(8)
    torch.nn.init.ones_(block.conv_out.bn.weight)
    x = (scale * torch.randn(2, 8, 6, 4)).requires_grad_()
    out = block(x)
    out.mean().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(x.grad).all()


def test_logits_are_float32_under_autocast():
    block = GaussianNonLocal2d(64).eval()
    torch.nn.init.ones_(block.conv_out.bn.weight)
    x = 2 * torch.randn(1, 64, 12, 8)
    expected = block(x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        actual = block(x)
    assert (actual - expected).abs().max() < 0.05  # only the two convolutions are rounded


def test_starts_as_identity():
    x = torch.randn(2, 16, 6, 5)
    torch.testing.assert_close(GaussianNonLocal2d(16)(x), x)


def test_chain_is_eq_7():
    module = SecondOrderNonLocal(16, cbam=dict(covariance_channels=8)).eval()
    x = torch.randn(2, 16, 6, 5)
    torch.testing.assert_close(module(x), module.non_local(module.cbam(x)))
