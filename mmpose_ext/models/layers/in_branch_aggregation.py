# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""In-branch aggregation: tag features as an attention to the region of people."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from .conv_unit import BATCH_NORM, ConvUnit


class InBranchAggregation(BaseModule):
    """Add to detection features what they and the tag features give together.

    Cluster-wise network, Section 3.4 and Figure 4(a): tag and detection features are concatenated,
    fused by a 1x1 convolution, and the detection features are added (residual connection). The
    paper names no normalisation; here a ReLU follows the convolution, and normalisation before it
    where the network has it.

    Args:
        channels (int): Channels of the detection features, of the tag features and of the output.
        norm_cfg (dict, optional): Config of the normalisation. Defaults to batch normalisation.
    """

    def __init__(self, channels: int, norm_cfg: dict | None = BATCH_NORM) -> None:
        super().__init__()
        self.merge = ConvUnit(2 * channels, channels, 1, norm_cfg=norm_cfg)

    def forward(self, detection: Tensor, tag: Tensor) -> Tensor:
        """Merge detection and tag features, (B, channels, h, w) each and the output's shape."""
        return detection + self.merge(torch.cat([tag, detection], 1))
