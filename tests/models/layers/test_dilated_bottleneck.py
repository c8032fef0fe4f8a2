# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
import torch
from torch import nn

from mmpose_ext.models.layers import dilated_bottleneck


def plain(block, x):
    """Apply the three convolutions of DetNet's Figure 2, one by one."""
    y = block.norm1(block.conv1(x)).relu()
    y = block.norm2(nn.functional.conv2d(y, block.conv2.weight, padding=2, dilation=2)).relu()
    y = block.norm3(block.conv3(y))
    if block.downsample is not None:
        x = block.downsample.bn(block.downsample.conv(x))
    return (y + x).relu()


# case: A (identity), B (projection), B if the channels change
@pytest.mark.parametrize(
    ('in_channels', 'project', 'projected'),
    [(16, False, False), (16, True, True), (8, False, True)],
)
def test_structure(in_channels, project, projected):
    block = dilated_bottleneck(in_channels, 16, 4, project=project).eval()
    assert (block.downsample is not None) == projected
    assert block.conv2.weight.shape == (4, 4, 3, 3) and block.conv2.dilation == (2, 2)
    x = torch.randn(2, in_channels, 7, 5)
    torch.testing.assert_close(block(x.clone()), plain(block, x))


def test_channels_must_be_a_multiple():
    with pytest.raises(ValueError, match='must be a multiple'):
        dilated_bottleneck(16, 16, 5)
