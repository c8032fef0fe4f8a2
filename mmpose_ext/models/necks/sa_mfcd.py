# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Spatial-attention-based multi-scale feature collection and distribution (SA-MFCD)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from mmpose_ext.models.backbones.context_resnet import ContextFeatures
from mmpose_ext.models.layers.decoder_block import resize


@MODELS.register_module()
class SAMFCD(BaseModule):
    """Collect the encoder's features, refine them by attention and distribute them (Section 3.3).

    1. The features of the first stages are resized to the first one's size, concatenated and fused
       by a 3x3 convolution; so are their attention heatmaps.
    2. The fused features are multiplied with the fused attention.
    3. The result is resized for each decoder that takes it.

    Each convolution is followed by batch normalization and ReLU; resizing is bilinear.

    Args:
        in_channels (Sequence[int]): Channels of the stages that are collected, C2 first: (64, 128,
            256) for ResNet-18 and -34, (256, 512, 1024) for deeper ones. Defaults to (64, 128,
            256).
        out_channels (int): Channels of the fused features. Defaults to 32 (see
            docs/full-resolution.md; the paper does not say).
        attention_channels (int): Channels of the fused attention: 1, or ``out_channels`` for one
            heatmap per feature. Defaults to 1.
        out_scales (Sequence[int]): Sizes of the distributed features as multiples of the last
            stage's size. Defaults to (4, 8, 16), the sizes of decoders 2, 3 and 4.
        init_cfg (dict, optional): Config of the initialization.

    Raises:
        ValueError: If a setting does not fit.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 256),
        out_channels: int = 32,
        attention_channels: int = 1,
        out_scales: Sequence[int] = (4, 8, 16),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if attention_channels not in (1, out_channels):
            raise ValueError(
                f'SAMFCD: attention_channels must be 1 or out_channels ({out_channels}), got '
                f'{attention_channels}.'
            )
        self.in_channels = tuple(in_channels)
        self.out_scales = tuple(out_scales)
        cfg = dict(kernel_size=3, padding=1, norm_cfg=dict(type='BN'))
        self.fuse_maps = ConvModule(sum(in_channels), out_channels, **cfg)
        self.fuse_attention = ConvModule(len(in_channels), attention_channels, **cfg)

    def forward(self, feats: ContextFeatures) -> tuple[Tensor, ...]:
        """Return the distributed features, followed by the last stage's features.

        Args:
            feats (ContextFeatures): Features and attention of all stages.

        Returns:
            tuple[Tensor, ...]: (B, out_channels, s * h, s * w) for each s of ``out_scales``, and
            the last stage's features (B, C, h, w).

        Raises:
            ValueError: If the backbone returns no attention, or other stages.
        """
        self._check(feats)
        collected = len(self.in_channels)
        features = self.fuse_maps(_concatenate(feats.maps[:collected]))
        attention = self.fuse_attention(_concatenate(feats.attention[:collected]))
        refined = features * attention
        h, w = feats.maps[-1].shape[-2:]
        return (*(resize(refined, (h * s, w * s)) for s in self.out_scales), feats.maps[-1])

    def _check(self, feats: ContextFeatures) -> None:
        if not isinstance(feats, ContextFeatures):
            raise ValueError(
                'SAMFCD: the backbone gives no attention heatmaps. Use ContextResNet as backbone.'
            )
        channels = tuple(value.shape[1] for value in feats.maps)
        if len(channels) <= len(self.in_channels) or (
            channels[: len(self.in_channels)] != self.in_channels
        ):
            raise ValueError(
                f'SAMFCD: in_channels {self.in_channels} must be those of the first stages, and '
                f"the last stage must follow; the backbone's stages have {channels}. Set the "
                "neck's in_channels, and the backbone's out_indices to (0, 1, 2, 3)."
            )


def _concatenate(maps: Sequence[Tensor]) -> Tensor:
    """Concatenate maps along the channels, at the first one's size."""
    return torch.cat([resize(value, maps[0].shape[-2:]) for value in maps], 1)
