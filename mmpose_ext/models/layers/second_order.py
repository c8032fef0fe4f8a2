# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""CBAM with second-order channel pooling ("An Attention Module for ...", Section III, Eq. 6).

The channel part follows GSoP-Net (Gao et al., CVPR 2019), which the paper cites. The paper's Table
IV confirms it: 36.7 M parameters and 9.17 GFLOPs require a 128 x 128 covariance with each row
reduced to four values.
"""

from __future__ import annotations

import torch
from mmcv.cnn import ConvModule, build_activation_layer
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from .cbam import SpatialAttention
from .precision import at_least_float32, no_autocast


def channel_covariance(x: Tensor, center: bool = True) -> Tensor:
    """Compute the covariance between channels over all positions, in float32 or wider.

    Args:
        x (Tensor): (B, C, h, w) features of any floating dtype.
        center (bool): Whether to subtract each channel's mean, which gives a covariance. False
            gives the plain second moment ``F F^T / hw``, exactly as Eq. 6 is printed. Defaults to
            True.

    Returns:
        Tensor: (B, C, C), symmetric and positive semi-definite; float32, or float64 for float64.
    """
    with no_autocast(x):
        flat = at_least_float32(x).flatten(2)
        if center:
            flat = flat - flat.mean(dim=2, keepdim=True)
        return flat @ flat.transpose(1, 2) / flat.shape[2]


class SecondOrderChannelAttention(BaseModule):
    """Channel attention map M_c from the covariance of the channels (Eq. 6).

    1x1 convolution to ``d`` channels, d x d covariance (always in float32 or wider, also under
    mixed precision), row-wise grouped convolution to ``row_expansion * d`` values, activation,
    1x1 convolution back to C, sigmoid: "two consecutive convolutions and non-linear activation".

    Args:
        in_channels (int): Channels C of the input.
        covariance_channels (int): d. Defaults to 128.
        row_expansion (int): Values kept of each covariance row. Defaults to 4.
        center (bool): See :func:`channel_covariance`. Defaults to True.
        norm_cfg (dict, optional): Config of the normalization of the reduced features; that of the
            covariance rows is always batch normalization. Defaults to batch normalization.
        act_cfg (dict, optional): Config of the activation between the two convolutions. None leaves
            it out, as GSoP-Net's public code does. Defaults to ReLU.
        init_cfg (dict, optional): Config of the initialization.
    """

    def __init__(
        self,
        in_channels: int,
        covariance_channels: int = 128,
        row_expansion: int = 4,
        center: bool = True,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = dict(type='ReLU', inplace=True),  # noqa: B006
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type='BN')
        d = covariance_channels
        self.center = center
        self.reduce = ConvModule(in_channels, d, 1, norm_cfg=norm_cfg)
        self.row_norm = nn.BatchNorm2d(d)
        self.row_conv = nn.Conv2d(d, row_expansion * d, (d, 1), groups=d)
        self.activation = build_activation_layer(act_cfg) if act_cfg else nn.Identity()
        self.expand = nn.Conv2d(row_expansion * d, in_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (B, C, h, w) to weights (B, C, 1, 1) in (0, 1)."""
        covariance = channel_covariance(self.reduce(x), self.center)
        rows = self.row_norm(covariance.unsqueeze(-1))  # (B, d, d, 1): channel i is row i
        return torch.sigmoid(self.expand(self.activation(self.row_conv(rows))))


@MODELS.register_module()
class SecondOrderCBAM(BaseModule):
    """CBAM whose channel attention pools second-order statistics (Eq. 5, 6), a plugin layer.

    Args:
        in_channels (int): Channels C of the input and output.
        covariance_channels, row_expansion, center, norm_cfg, act_cfg: See
            :class:`SecondOrderChannelAttention`.
        kernel_size (int): See :class:`~mmpose_ext.models.layers.cbam.SpatialAttention`. Defaults to
            7.
        spatial_norm_cfg (dict, optional): Config of a normalization in the spatial part. Defaults
            to None.
        init_cfg (dict, optional): Config of the initialization.
    """

    _abbr_ = 'second_order_cbam'

    def __init__(
        self,
        in_channels: int,
        covariance_channels: int = 128,
        row_expansion: int = 4,
        center: bool = True,
        norm_cfg: dict | None = None,
        kernel_size: int = 7,
        spatial_norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
        act_cfg: dict | None = dict(type='ReLU', inplace=True),  # noqa: B006
    ):
        super().__init__(init_cfg)
        self.channel = SecondOrderChannelAttention(
            in_channels, covariance_channels, row_expansion, center, norm_cfg, act_cfg
        )
        self.spatial = SpatialAttention(kernel_size, spatial_norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Rescale (B, C, h, w) features by both attention maps."""
        x = x * self.channel(x)
        return x * self.spatial(x)
