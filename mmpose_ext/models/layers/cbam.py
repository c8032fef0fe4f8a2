# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Channel and spatial attention of CBAM ("An Attention Module for Multi-Person Pose Estimation").

The equation numbers are that paper's (Section II-D); CBAM itself is Woo et al., ECCV 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn


class ChannelAttention(BaseModule):
    """Channel attention map M_c from average- and max-pooled features (Eq. 4).

    ``M_c(F) = sigmoid(MLP(AvgPool(F)) + MLP(MaxPool(F)))``, one MLP shared by both.

    Args:
        in_channels (int): Channels C of the input.
        reduction (int): The hidden layer has ``max(C // reduction, 1)`` channels. Defaults to 8,
            which gives Table IV's parameter count.
        init_cfg (dict, optional): Config of the initialization.
    """

    def __init__(self, in_channels: int, reduction: int = 8, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        hidden = max(in_channels // reduction, 1)
        self.mlp = nn.Sequential(
            nn.Conv2d(in_channels, hidden, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, in_channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map features (B, C, h, w) to weights (B, C, 1, 1) in (0, 1)."""
        average = self.mlp(F.adaptive_avg_pool2d(x, 1))
        maximum = self.mlp(F.adaptive_max_pool2d(x, 1))
        return torch.sigmoid(average + maximum)


class SpatialAttention(BaseModule):
    """Spatial attention map M_s from channel-wise mean and maximum (Eq. 5).

    ``M_s(F) = sigmoid(f([mean_c(F); max_c(F)]))`` with f a 7 x 7 convolution.

    Args:
        kernel_size (int): Odd size of the convolution. Defaults to 7.
        norm_cfg (dict, optional): Config of a normalization after the convolution. The paper's
            equation has none; CBAM's public code uses ``dict(type='BN')``. Defaults to None.
        init_cfg (dict, optional): Config of the initialization.
    """

    def __init__(
        self, kernel_size: int = 7, norm_cfg: dict | None = None, init_cfg: dict | None = None
    ):
        super().__init__(init_cfg)
        if kernel_size % 2 == 0:
            raise ValueError(f'SpatialAttention: kernel_size must be odd, got {kernel_size}')
        self.conv = ConvModule(
            2, 1, kernel_size, padding=kernel_size // 2, bias=False, norm_cfg=norm_cfg, act_cfg=None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map features (B, C, h, w) to weights (B, 1, h, w) in (0, 1)."""
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(pooled))


@MODELS.register_module()
class CBAM(BaseModule):
    """Convolutional block attention module (Eq. 3 to 5), a plugin layer.

    ``F' = M_c(F) * F``, ``F'' = M_s(F') * F'``.

    Args:
        in_channels (int): Channels C of the input and output.
        reduction (int): See :class:`ChannelAttention`. Defaults to 8.
        kernel_size (int): See :class:`SpatialAttention`. Defaults to 7.
        spatial_norm_cfg (dict, optional): Config of a normalization in the spatial part. Defaults
            to None.
        init_cfg (dict, optional): Config of the initialization.
    """

    _abbr_ = 'cbam'

    def __init__(
        self,
        in_channels: int,
        reduction: int = 8,
        kernel_size: int = 7,
        spatial_norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.channel = ChannelAttention(in_channels, reduction)
        self.spatial = SpatialAttention(kernel_size, spatial_norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Rescale (B, C, h, w) features by both attention maps."""
        x = x * self.channel(x)
        return x * self.spatial(x)
