# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch

from mmpose_ext.models.layers.self_similarity import block_for, self_similarity_attention
from mmpose_ext.utils.sequences import zip_equal


def plain(x: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 1 with the whole matrix."""
    return (x @ x.transpose(1, 2)).softmax(-1) @ value


@pytest.mark.parametrize(
    'positions, block',
    [
        (48, 16),  # blocks fit exactly
        (50, 16),  # a smaller last block
        (10, 16),  # one block
        (17, 1),  # one position per block
    ],
)
def test_equals_plain_in_value_and_gradient(positions, block):
    results = []
    for function in (plain, lambda x, v: self_similarity_attention(x, v, block)):
        torch.manual_seed(0)
        x = torch.randn(2, positions, 8, dtype=torch.float64, requires_grad=True)
        value = torch.randn(2, positions, 3, dtype=torch.float64, requires_grad=True)
        out = function(x, value)
        (out * torch.randn_like(out)).sum().backward()
        results.append((out.detach(), x.grad, value.grad))
    for expected, actual in zip_equal(*results):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def test_gradient():
    x = torch.randn(2, 9, 4, dtype=torch.float64, requires_grad=True)
    value = torch.randn(2, 9, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, v: self_similarity_attention(x, v, 4), (x, value))


@pytest.mark.parametrize('scale', [0.0, 1.0, 1e4])  # zero, plain and huge features
def test_stays_finite(scale):
    x = (scale * torch.randn(1, 40, 8)).requires_grad_()
    value = torch.randn(1, 40, 4, requires_grad=True)
    out = self_similarity_attention(x, value, 16)
    out.sum().backward()
    assert all(torch.isfinite(t).all() for t in (out, x.grad, value.grad))


@pytest.mark.parametrize(
    'batch, block',
    [
        (1, 512),  # the largest block
        (8, 256),  # 8 * 256 * 256 float32 numbers take 2 MiB
        (32, 128),
        (512, 128),  # the smallest block
    ],
)
def test_size_of_a_block_on_a_cpu(batch, block):
    assert block_for(torch.zeros(batch, 1, 1)) == block


def test_the_gradient_is_exact_inside_of_autocast():
    """Backward passes belong outside, but a caller's may be inside."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(2, 60, 8, generator=generator, requires_grad=True) for _ in range(2)]
    outputs = [self_similarity_attention(*inputs, 16).square().sum() for _ in range(2)]
    expected = torch.autograd.grad(outputs[0], inputs)
    with torch.autocast('cpu', torch.bfloat16):
        found = torch.autograd.grad(outputs[1], inputs)
    for one, other in zip_equal(found, expected):
        torch.testing.assert_close(one, other)
