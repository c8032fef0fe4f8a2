# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from torch.nn.functional import batch_norm, conv2d

from mmpose_ext.models.layers import DecoderBlock, GlobalContextBlock
from mmpose_ext.models.layers.decoder_block import resize


def deconvolve_slowly(x, weight):
    """Deconvolve with 4x4, stride 2, padding 1: every input cell adds a patch to the output."""
    b, _, h, w = x.shape
    out = torch.zeros(b, weight.shape[1], 2 * h + 2, 2 * w + 2)
    for i in range(h):
        for j in range(w):
            patch = torch.einsum('bc,cokl->bokl', x[:, :, i, j], weight)
            out[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += patch
    return out[:, :, 1:-1, 1:-1]


def resize_slowly(maps, size):
    """Resize bilinearly, cell by cell: output cell i lies at (i + 0.5) * h / h' - 0.5."""
    h, w = maps.shape[-2:]
    out = torch.zeros(*maps.shape[:2], *size)
    for i in range(size[0]):
        for j in range(size[1]):
            y = max((i + 0.5) * h / size[0] - 0.5, 0)
            x = max((j + 0.5) * w / size[1] - 0.5, 0)
            top, left = int(y), int(x)
            for row, dy in ((top, 1 - y + top), (min(top + 1, h - 1), y - top)):
                for column, dx in ((left, 1 - x + left), (min(left + 1, w - 1), x - left)):
                    out[:, :, i, j] += dy * dx * maps[:, :, row, column]
    return out


def normalize(x, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return (x * scale[:, None, None] + shift[:, None, None]).clamp(min=0)


def block(**kwargs):
    torch.manual_seed(0)
    layer = DecoderBlock(5, 4, **kwargs).eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return layer


# of the output's size; smaller; larger and odd
@pytest.mark.parametrize('lateral_size', [(6, 8), (3, 4), (9, 7)])
def test_equals_the_slow_one(lateral_size):
    layer = block(lateral_channels=3, context=dict(type='GlobalContextBlock'))
    x, lateral = torch.randn(2, 5, 3, 4), torch.randn(2, 3, *lateral_size)
    expected = normalize(deconvolve_slowly(x, layer.deconv.weight), layer.norm)
    expected = torch.cat([expected, resize_slowly(lateral, (6, 8))], 1)
    expected = conv2d(expected, layer.fuse.conv.weight, padding=1)
    expected = layer.context(normalize(expected, layer.fuse.bn))
    torch.testing.assert_close(layer(x, lateral), expected, atol=1e-4, rtol=1e-4)


def test_plain():
    layer, x = block(), torch.randn(2, 5, 3, 4)
    expected = normalize(deconvolve_slowly(x, layer.deconv.weight), layer.norm)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    assert layer.fuse is None and layer.context is None


def test_normalizes_over_the_batch_in_training():
    layer, x = block().train(), torch.randn(2, 5, 3, 4)
    raw = deconvolve_slowly(x, layer.deconv.weight)
    expected = batch_norm(raw, None, None, layer.norm.weight, layer.norm.bias, training=True)
    torch.testing.assert_close(layer(x), expected.relu(), atol=1e-5, rtol=1e-5)


def test_resize_gives_back_maps_of_that_size():
    maps = torch.randn(1, 2, 3, 4)
    assert resize(maps, (3, 4)) is maps


def test_context():
    assert isinstance(block(context=dict(type='GlobalContextBlock')).context, GlobalContextBlock)
    with pytest.raises(ValueError, match="context type 'NoSuchBlock' is not in the MODELS"):
        block(context=dict(type='NoSuchBlock'))
