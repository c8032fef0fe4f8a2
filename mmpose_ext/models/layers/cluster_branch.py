# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A branch of the cluster-wise network: prediction layers for heatmaps and for tags."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpose_ext.utils.maps import Maps

from .conv_unit import BATCH_NORM, ConvUnit
from .in_branch_aggregation import InBranchAggregation


class SubBranch(BaseModule):
    """Predictions of a branch, for detection or for tags, together with general features.

    "The feature maps of each branch are composed of the supervised predictions and the
    unsupervised general features" (Section 3.4). Together they have as many channels as the input.
    Both are 1x1 convolutions after a 1x1 convolution with normalization, as in Newell's hourglass;
    the paper only says that the branch ends in a 1x1 convolution.

    Args:
        channels (int): Channels of the input, and of predictions and general features together.
        num_clusters (int): Channels of the predictions.
        general (bool): Whether the branch has general features; the last stack needs none.
        scale (float): Unit of the predictions. The features passed on hold them in this unit.
            Defaults to 1.
        norm_cfg (dict, optional): Config of the normalization. Defaults to batch normalization.
    """

    def __init__(
        self,
        channels: int,
        num_clusters: int,
        general: bool,
        scale: float = 1.0,
        norm_cfg: dict | None = BATCH_NORM,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.features = ConvUnit(channels, channels, 1, norm_cfg=norm_cfg)
        self.predictions = nn.Conv2d(channels, num_clusters, 1)
        self.general = nn.Conv2d(channels, channels - num_clusters, 1) if general else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Map (B, channels, h, w) to predictions (B, num_clusters, h, w) and to all channels."""
        x = self.features(x)
        predictions = self.predictions(x)
        if self.general is None:
            return predictions * self.scale, None
        return predictions * self.scale, torch.cat([predictions, self.general(x)], 1)


class ClusterBranch(BaseModule):
    """A branch of a stack: detection sub-branch, tag sub-branch and in-branch aggregation.

    Args:
        channels (int): Channels of the input and of each sub-branch's output.
        num_clusters (int): Number of heatmaps, and of tag maps.
        in_branch (bool): Whether the tag features are aggregated to the detection features.
        is_last (bool): Whether no stack follows; then the branch has only predictions.
        tag_scale (float): The unit of the tags.
        norm_cfg (dict, optional): Config of the normalization. Defaults to batch normalization.
    """

    def __init__(
        self,
        channels: int,
        num_clusters: int,
        in_branch: bool,
        is_last: bool,
        tag_scale: float,
        norm_cfg: dict | None = BATCH_NORM,
    ) -> None:
        super().__init__()
        self.detection = SubBranch(channels, num_clusters, not is_last, norm_cfg=norm_cfg)
        self.tag = SubBranch(channels, num_clusters, not is_last, tag_scale, norm_cfg)
        in_branch = in_branch and not is_last
        self.in_branch = InBranchAggregation(channels, norm_cfg) if in_branch else None

    def forward(self, x: Tensor) -> tuple[Maps, Tensor | None, Tensor | None]:
        """Map (B, channels, h, w) to the predicted maps, detection features and tag features."""
        heatmaps, detection = self.detection(x)
        tags, tag = self.tag(x)
        if self.in_branch is not None:
            detection = self.in_branch(detection, tag)
        return dict(heatmaps=heatmaps, tags=tags), detection, tag
