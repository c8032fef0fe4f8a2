# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""In- and cross-branch aggregation follow Figure 4, channel by channel."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmpose_ext.models.layers import ClusterConv2d, CrossBranchAggregation, InBranchAggregation

DENSE = [[0, 1], [2, 3, 4]]
SPARSE = [[0], [1], [2, 3], [4]]


def test_in_branch_is_a_1x1_convolution_of_both_plus_detection():
    layer = InBranchAggregation(3).eval()
    detection, tag = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    conv = layer.merge.conv
    assert conv.kernel_size == (1, 1) and conv.in_channels == 6
    merged = F.conv2d(torch.cat([tag, detection], 1), conv.weight)
    merged = F.relu(F.batch_norm(merged, torch.zeros(3), torch.ones(3)))
    torch.testing.assert_close(layer(detection, tag), detection + merged, atol=1e-4, rtol=1e-4)


def test_cross_branch_groups_by_the_dense_clusters():
    """Each dense prediction depends only on the sparse predictions of its own joints."""
    layer = CrossBranchAggregation(8, SPARSE, DENSE)
    dense, sparse = torch.randn(1, 8, 2, 2), torch.randn(1, 8, 2, 2)
    with torch.no_grad():
        before = layer(dense, sparse)
        for channel in range(8):
            changed = sparse.clone()
            changed[:, channel] += 1
            moved = (layer(dense, changed) - before).abs().amax((0, 2, 3)) > 1e-6
            assert moved[2:].all()  # general features see all channels
            expected = {0: [0], 1: [0], 2: [1], 3: [1]}.get(channel, [])
            assert moved[:2].nonzero().flatten().tolist() == expected


def test_cross_branch_adds_to_the_dense_features():
    layer = CrossBranchAggregation(8, SPARSE, DENSE)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    dense = torch.randn(2, 8, 3, 3)
    torch.testing.assert_close(layer(dense, torch.randn(2, 8, 3, 3)), dense)


def test_uneven_clusters_reach_all_that_they_share_joints_with():
    """With five and three clusters, a cluster of arm and head joints reaches both."""
    layer = CrossBranchAggregation(8, [[0, 2], [1], [3]], [[0, 1], [2, 3]])
    assert layer.predictions.mask.flatten(1).tolist() == [[1, 1, 0], [1, 0, 1]]


def test_even_groups_equal_torchs_group_convolution():
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    ours, torchs = ClusterConv2d(mask), nn.Conv2d(4, 2, 1, groups=2)
    with torch.no_grad():
        torchs.weight.copy_(ours.weight[mask[:, :, None, None]].view(2, 2, 1, 1))
        torchs.bias.copy_(ours.bias)
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(ours(x), torchs(x))


def test_refuses_a_cluster_that_nothing_reaches():
    with pytest.raises(ValueError, match='output 1 sees no input'):
        ClusterConv2d(torch.tensor([[True, True], [False, False]]))
