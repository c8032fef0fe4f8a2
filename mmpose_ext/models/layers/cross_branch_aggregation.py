# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Cross-branch aggregation: map the sparse branch's features to the dense branch's channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


class ClusterConv2d(nn.Conv2d):
    """1x1 convolution in groups of any size, in which a mask connects outputs and inputs.

    ``nn.Conv2d`` only has groups of equal size; clusters of 5, 6 and 6 keypoints need different
    sizes.

    Args:
        mask (Tensor): (out_channels, in_channels) bool, True where an output sees an input.

    Raises:
        ValueError: If an output would see no input.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0], 1)
        if not mask.any(1).all():
            raise ValueError(
                f'ClusterConv2d: output {int((~mask.any(1)).nonzero()[0])} sees no input; each '
                'cluster of one branch must share a keypoint with a cluster of the other.'
            )
        self.register_buffer('mask', mask[:, :, None, None].float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, h, w) to (B, out_channels, h, w)."""
        return F.conv2d(x, self.weight * self.mask, self.bias)


class CrossBranchAggregation(BaseModule):
    """Add the sparse branch's detection features to the dense branch's.

    Cluster-wise network, Section 3.4 and Figure 4(b). A branch's features are its predictions, one
    channel per cluster, and general features; both branches have the same number of channels. 1x1
    convolutions map the sparse branch's features to the dense branch's. The predictions are mapped
    in groups, one per dense cluster ("the feature maps of keypoints in head part are merged
    together"). The dense branch's general features come from all channels of the sparse branch
    ("the general features are enriched by aggregating the supervised information"). The sum is
    element-wise.

    A sparse cluster whose keypoints belong to several dense clusters (5 clusters with 3) reaches
    all of them.

    Args:
        channels (int): Channels of each branch's features.
        sparse_clusters (Sequence[Sequence[int]]): Keypoints of each sparse cluster.
        dense_clusters (Sequence[Sequence[int]]): Keypoints of each dense cluster.
    """

    def __init__(
        self,
        channels: int,
        sparse_clusters: Sequence[Sequence[int]],
        dense_clusters: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        self.num_sparse = len(sparse_clusters)
        shared = [[bool({*d} & {*s}) for s in sparse_clusters] for d in dense_clusters]
        self.predictions = ClusterConv2d(torch.tensor(shared, device='cpu'))
        self.general = nn.Conv2d(channels, channels - len(dense_clusters), 1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Merge the branches' detection features, (B, channels, h, w) each, to the same shape."""
        predictions = self.predictions(sparse[:, : self.num_sparse])
        return dense + torch.cat([predictions, self.general(sparse)], 1)
