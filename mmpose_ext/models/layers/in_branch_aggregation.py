# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""In-branch aggregation: tag features as an attention to the region of people."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor


class InBranchAggregation(BaseModule):
    """Add to detection features what they and the tag features give together.

    Cluster-wise network, Section 3.4 and Figure 4(a): tag and detection features are concatenated,
    fused by a 1x1 convolution, and the detection features are added (residual connection). The
    paper names no normalisation; here normalisation and a ReLU follow the convolution.

    Args:
        channels (int): Channels of the detection features, of the tag features and of the output.
        norm_cfg (dict): Config of the normalisation. Defaults to batch normalisation.
    """

    def __init__(self, channels: int, norm_cfg: dict = dict(type='BN')) -> None:
        super().__init__()
        self.merge = ConvModule(2 * channels, channels, 1, norm_cfg=norm_cfg)

    def forward(self, detection: Tensor, tag: Tensor) -> Tensor:
        """Merge detection and tag features, (B, channels, h, w) each and the output's shape."""
        return detection + self.merge(torch.cat([tag, detection], 1))
