# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import NonLocal2d
from mmcv.cnn.bricks import ContextBlock
from torch import nn

from mmpose_ext.models.backbones.context_resnet import ContextFeatures
from mmpose_ext.models.layers.cbam import CBAM
from mmpose_ext.models.layers.gaussian_non_local import GaussianNonLocal2d
from mmpose_ext.models.layers.global_context import GlobalContextBlock
from mmpose_ext.models.layers.second_order import SecondOrderCBAM
from mmpose_ext.models.necks.sa_mfcd import SAMFCD
from mmpose_ext.utils.sequences import zip_equal
from mmpose_ext.visualization.attention import paint_attention, record_attention
from mmpose_ext.visualization.painters import Scene

QUERIES = np.array([[0.1, 0.1], [0.9, 0.6]])


def attention_of(layer, x, queries=QUERIES):
    network = nn.Sequential(nn.Identity(), layer).eval()
    with torch.no_grad(), record_attention(network, queries) as found:
        network(x)
    with torch.no_grad():
        network(x)
    assert len(found) <= 1  # nothing recorded after the block
    return found


@pytest.mark.parametrize('kind', [CBAM, SecondOrderCBAM])
def test_spatial_attention_is_that_of_the_layer(kind):
    layer = kind(8).eval()
    x = torch.randn(2, 8, 6, 5)
    (found,) = attention_of(layer, x)
    with torch.no_grad():
        weights = layer.spatial(x * layer.channel(x))
    assert np.allclose(found.maps, weights[0].numpy(), atol=1e-6)
    assert found.layer == '1.spatial' and len(found.cells) == 0


@pytest.mark.parametrize('kind', [ContextBlock, GlobalContextBlock])
def test_global_context_gives_the_weights_of_the_positions(kind):
    layer = kind(8, ratio=0.25)
    x = torch.randn(1, 8, 6, 5)
    (found,) = attention_of(layer, x)
    logits = layer.conv_mask(x).detach().numpy()[0]
    expected = np.exp(logits) / np.exp(logits).sum()
    assert np.allclose(found.maps, expected, atol=1e-6)


def test_sa_mfcd_gives_the_fused_attention():
    layer = SAMFCD((4, 8), out_channels=3, out_scales=(2,)).eval()
    maps = [torch.randn(2, c, s, s) for c, s in ((4, 8), (8, 4), (8, 2))]
    attention = [torch.randn(2, 1, s, s) for s in (8, 4, 2)]
    (found,) = attention_of(layer, ContextFeatures(maps, attention))
    larger = F.interpolate(attention[1], size=8, mode='bilinear', align_corners=False)
    with torch.no_grad():
        fused = layer.fuse_attention(torch.cat([attention[0], larger], 1))
    assert found.maps.shape == (1, 8, 8)
    assert np.allclose(found.maps, fused[0].numpy(), atol=1e-5)


@pytest.mark.parametrize('sub_sample', [False, True])
@pytest.mark.parametrize('kind', [GaussianNonLocal2d, NonLocal2d])
def test_non_local_gives_the_rows_of_the_queries(kind, sub_sample):
    layer = kind(8, reduction=2, sub_sample=sub_sample).eval()
    x = 0.5 * torch.randn(1, 8, 6, 10)
    (found,) = attention_of(layer, x)
    assert found.cells.tolist() == [[1, 0], [9, 3]]
    with torch.no_grad():
        if kind is NonLocal2d:  # embedded
            theta = layer.theta(x).flatten(2).transpose(1, 2)
            weights = layer.embedded_gaussian(theta, layer.phi(x).flatten(2))
        else:
            key = layer.phi(x) if sub_sample else x
            weights = (x.flatten(2).transpose(1, 2) @ key.flatten(2)).softmax(-1)
    for maps, (column, row) in zip_equal(found.maps, found.cells):
        assert np.allclose(maps.ravel(), weights[0, row * 10 + column].numpy(), atol=1e-5)


def test_other_layers_and_no_queries_record_nothing():
    x = torch.randn(1, 8, 6, 5)
    assert attention_of(nn.Conv2d(8, 8, 1), x) == []
    assert attention_of(GaussianNonLocal2d(8), x, np.zeros((0, 2))) == []


def test_attention_is_drawn_where_it_is():
    layer = CBAM(4)
    (found,) = attention_of(layer, torch.randn(1, 4, 6, 4))
    maps = np.zeros((1, 6, 4), np.float32)
    maps[0, 1, 3] = 1e-3
    maps += 0.5  # neither the least value nor the scale matter
    found = type(found)('backbone.layer1_cbam', 'spatial', maps, found.cells)
    scene = Scene(np.zeros((60, 40, 3), np.uint8), None, {})
    (tile,) = paint_attention(scene, [found])
    marked = tile.picture.any(-1)
    assert marked[10:20, 30:40].all() and marked.sum() == 100
    assert tile.caption == 'spatial 4x6, 0.5 to 0.5: layer1_cbam'
