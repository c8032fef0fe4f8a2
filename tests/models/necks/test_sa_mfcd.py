# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from torch.nn.functional import interpolate

from mmpose_ext.models.backbones import ContextFeatures
from mmpose_ext.models.necks import SAMFCD
from mmpose_ext.utils.sequences import zip_equal

CHANNELS = (3, 4, 5, 6)


def features(sizes, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    maps = [torch.randn(batch, c, *s, generator=generator) for c, s in zip_equal(CHANNELS, sizes)]
    attention = [torch.randn(batch, 1, *s, generator=generator) for s in sizes]
    return ContextFeatures(tuple(maps), tuple(attention))


def neck(**kwargs):
    torch.manual_seed(0)
    module = SAMFCD(in_channels=CHANNELS[:3], out_channels=7, **kwargs)
    module.init_weights()
    return module


def fuse_slowly(maps, conv, norm):
    """Apply a 3x3 convolution cell by cell, batch norm (fresh statistics: 0 and 1) and ReLU."""
    b, _, h, w = maps.shape
    padded = torch.zeros(b, maps.shape[1], h + 2, w + 2)
    padded[:, :, 1:-1, 1:-1] = maps
    out = torch.zeros(b, conv.weight.shape[0], h, w)
    for y in range(h):
        for x in range(w):
            patch = padded[:, :, y : y + 3, x : x + 3]
            out[:, :, y, x] = torch.einsum('bckl,ockl->bo', patch, conv.weight)
    return (out / (1 + norm.eps) ** 0.5).clamp(min=0)


def collect(maps, size):
    maps = [interpolate(m, size=size, mode='bilinear') if m.shape[-2:] != size else m for m in maps]
    return torch.cat(maps, 1)


EVEN = ((16, 12), (8, 6), (4, 3), (2, 2))
ODD = ((13, 11), (7, 6), (4, 3), (2, 2))


@pytest.mark.parametrize('sizes', [EVEN, ODD])
@pytest.mark.parametrize('attention_channels', [1, 7])
def test_equals_the_slow_one(sizes, attention_channels):
    module, feats = neck(attention_channels=attention_channels).eval(), features(sizes)
    fused = fuse_slowly(
        collect(feats.maps[:3], sizes[0]), module.fuse_maps.conv, module.fuse_maps.bn
    )
    attention = fuse_slowly(
        collect(feats.attention[:3], sizes[0]),
        module.fuse_attention.conv,
        module.fuse_attention.bn,
    )
    *outputs, last = module(feats)
    assert last is feats.maps[-1]
    assert [tuple(o.shape) for o in outputs] == [(2, 7, 2 * s, 2 * s) for s in (4, 8, 16)]
    for output in outputs:
        expected = interpolate(fused * attention, size=output.shape[-2:], mode='bilinear')
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def test_gradients():
    module, feats = neck(), features(EVEN)
    for value in (*feats.maps, *feats.attention):
        value.requires_grad_()
    sum(output.square().sum() for output in module(feats)).backward()
    assert all(p.grad.abs().max() > 0 for p in module.parameters())
    assert all(value.grad.abs().max() > 0 for value in (*feats.maps, *feats.attention[:3]))
    assert feats.attention[3].grad is None  # the last stage's attention is not collected


def test_bad_settings_and_inputs_are_refused():
    with pytest.raises(ValueError, match='attention_channels must be 1 or out_channels'):
        neck(attention_channels=3)
    with pytest.raises(ValueError, match='Use ContextResNet as backbone'):
        neck()(features(EVEN).maps)
    maps, attention = features(EVEN)
    for wrong in ((maps[:3], attention[:3]), (maps[1:], attention[1:])):
        with pytest.raises(ValueError, match='must be those of the first stages'):
            neck()(ContextFeatures(*wrong))
