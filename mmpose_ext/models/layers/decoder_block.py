# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""One decoder step of FR-SBN, which doubles the resolution and fuses lateral features."""

from __future__ import annotations

import torch
from mmcv.cnn import ConvModule, build_plugin_layer, build_upsample_layer
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate


class DecoderBlock(BaseModule):
    """Deconvolution, fusion with lateral features, context block (Sections 3.1 to 3.3).

    A 4x4 deconvolution of stride 2 with batch normalization and ReLU doubles the resolution.
    Lateral features, if any, are concatenated to its output, and a 3x3 convolution with batch
    normalization and ReLU fuses them. A context block, if any, comes last.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the deconvolution and of the output.
        lateral_channels (int): Channels of the lateral features; 0 for none. Defaults to 0.
        context (dict, optional): Config of a layer that takes ``in_channels`` and keeps the shape.
            Defaults to None.
        init_cfg (dict, optional): Config of the initialization.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        lateral_channels: int = 0,
        context: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        deconv = dict(type='deconv', kernel_size=4, stride=2, padding=1, bias=False)
        self.deconv = build_upsample_layer(
            dict(deconv, in_channels=in_channels, out_channels=out_channels)
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.fuse = None
        if lateral_channels:
            self.fuse = ConvModule(
                out_channels + lateral_channels,
                out_channels,
                kernel_size=3,
                padding=1,
                norm_cfg=dict(type='BN'),
            )
        self.context = None
        if context is not None:
            context = dict(context, type=_layer_class(context))
            self.context = build_plugin_layer(context, in_channels=out_channels)[1]

    def forward(self, x: Tensor, lateral: Tensor | None = None) -> Tensor:
        """Decode (B, in_channels, h, w) to (B, out_channels, 2h, 2w).

        Args:
            x (Tensor): The features.
            lateral (Tensor, optional): (B, lateral_channels, h', w'), for a block with lateral
                features; resized bilinearly if the size differs from the output's.
        """
        x = self.relu(self.norm(self.deconv(x)))
        if self.fuse is not None:
            x = self.fuse(torch.cat([x, resize(lateral, x.shape[-2:])], 1))
        return x if self.context is None else self.context(x)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps (B, C, h, w) bilinearly to a size [h, w]; maps of that size are unchanged."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return interpolate(maps, size=tuple(size), mode='bilinear', align_corners=False)


def _layer_class(cfg: dict) -> type:
    layer = MODELS.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    if layer is None:
        raise ValueError(
            f'DecoderBlock: context type {cfg["type"]!r} is not in the MODELS registry'
        )
    return layer
