# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""In-branch aggregation: tag features as attention to the regions of people."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from .conv_unit import BATCH_NORM, ConvUnit


class InBranchAggregation(BaseModule):
    """Fuse tag features into detection features, with a residual connection.

    Cluster-wise network, Section 3.4 and Figure 4(a): tag and detection features are concatenated
    and fused by a 1x1 convolution, and the detection features are added (residual connection). The
    paper mentions no normalization; here the convolution is followed by normalization, if the
    network has it, and a ReLU.

    Args:
        channels (int): Channels of the detection features, the tag features and the output.
        norm_cfg (dict, optional): Config of the normalization. Defaults to batch normalization.
    """

    def __init__(self, channels: int, norm_cfg: dict | None = BATCH_NORM) -> None:
        super().__init__()
        self.merge = ConvUnit(2 * channels, channels, 1, norm_cfg=norm_cfg)

    def forward(self, detection: Tensor, tag: Tensor) -> Tensor:
        """Merge detection and tag features, (B, channels, h, w) each, to the same shape."""
        return detection + self.merge(torch.cat([tag, detection], 1))
