# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Convolution, normalization and ReLU, and sequences of them."""

from __future__ import annotations

from mmcv.cnn import ConvModule
from torch import nn

BATCH_NORM = dict(type='BN')


class ConvUnit(ConvModule):
    """mmcv's ``ConvModule``, with PyTorch's initialization if it has no normalization.

    The cluster-wise paper found "that the training works well under the default setting of PyTorch"
    (Section 4.2). With normalization the scale of the weights does not matter, so mmcv's Kaiming
    initialization stays. It takes the arguments of ``mmcv.cnn.ConvModule``.
    """

    def init_weights(self) -> None:
        """Initialize like mmcv with normalization, and like PyTorch without."""
        if self.with_norm:
            super().init_weights()


def convolutions(
    in_channels: int, channels: int, blocks: int = 1, norm_cfg: dict | None = None
) -> nn.Sequential:
    """Build ``blocks`` 3x3 convolutions with ReLU.

    The public training code of associative embedding has these, without normalization, in place of
    the residual modules of Newell's earlier hourglass.
    """
    widths = [in_channels] + [channels] * blocks
    return nn.Sequential(
        *(ConvUnit(a, b, 3, padding=1, norm_cfg=norm_cfg) for a, b in zip(widths, widths[1:]))
    )
