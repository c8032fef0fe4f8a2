# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch

from mmpose_ext.models.layers import CBAM, SecondOrderCBAM, SpatialAttention


def plain_cbam(layer: CBAM, x: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 3 to 5, one image, one channel and one position at a time."""
    squeeze, _, expand = layer.channel.mlp
    kernel = layer.spatial.conv.conv.weight[0]
    out = torch.empty_like(x)
    for b, image in enumerate(x):
        weights = torch.zeros(x.shape[1], dtype=x.dtype)
        for pooled in (image.mean((1, 2)), image.amax((1, 2))):
            hidden = torch.relu(squeeze.weight[:, :, 0, 0] @ pooled)
            weights += expand.weight[:, :, 0, 0] @ hidden
        image = image * torch.sigmoid(weights)[:, None, None]
        maps = torch.stack([image.mean(0), image.amax(0)])
        height, width = image.shape[1:]
        for i in range(height):
            for j in range(width):
                total = torch.zeros((), dtype=x.dtype)
                for di in range(-3, 4):
                    for dj in range(-3, 4):
                        if 0 <= i + di < height and 0 <= j + dj < width:
                            total += (kernel[:, di + 3, dj + 3] * maps[:, i + di, j + dj]).sum()
                out[b, :, i, j] = image[:, i, j] * torch.sigmoid(total)
    return out


def test_equals_plain_reference():
    layer = CBAM(16).double()
    x = torch.randn(2, 16, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), plain_cbam(layer, x))


def test_gradient():
    layer = CBAM(8).double()
    x = torch.randn(1, 8, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize('layer', [CBAM, SecondOrderCBAM])
@pytest.mark.parametrize('value', [0.0, 3.0])  # no variation at all, with and without features
def test_constant_features_stay_finite(layer, value):
    module = layer(16)
    x = torch.full((2, 16, 6, 4), value, requires_grad=True)
    out = module(x)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_even_kernel_is_refused():
    with pytest.raises(ValueError, match='kernel_size must be odd, got 6'):
        SpatialAttention(6)
