# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Global context block that can return its spatial attention heatmap (FR-SBN)."""

from __future__ import annotations

from mmcv.cnn.bricks import ContextBlock
from mmpose.registry import MODELS
from torch import Tensor

HANDED_OUT = ('heatmap', 'weights')


@MODELS.register_module()
class GlobalContextBlock(ContextBlock):
    """mmcv's ``ContextBlock`` as in Section 3.2, Fig. 1(b) of the full-resolution network.

    A 1x1 convolution computes one spatial attention heatmap for all channels. Its softmax over the
    positions weights the mean of the features. A bottleneck transforms this context, which is then
    added to the features at all positions. The parameters are those of ``ContextBlock``.

    Args:
        in_channels (int): Channels C of the feature map.
        ratio (float): Channels of the bottleneck as a fraction of C. Defaults to 1/4, the better of
            the two in the GCNet paper; this paper does not give it.
        hand_out (str): What :meth:`attend` returns with the features: ``'heatmap'``, the map before
            the softmax (which the paper calls spatial attention heatmap), or ``'weights'``, the map
            after it, whose values sum to 1 in each image. Defaults to ``'heatmap'``, whose scale
            does not depend on the number of positions.

    Raises:
        ValueError: If the bottleneck would have no channels or ``hand_out`` is unknown.
    """

    _abbr_ = 'global_context'

    def __init__(
        self,
        in_channels: int,
        ratio: float = 1 / 4,
        hand_out: str = 'heatmap',
    ) -> None:
        if int(in_channels * ratio) < 1:
            raise ValueError(
                f'GlobalContextBlock: ratio {ratio} leaves none of {in_channels} channels for the '
                f'bottleneck; it must be at least {1 / in_channels}.'
            )
        if hand_out not in HANDED_OUT:
            raise ValueError(
                f'GlobalContextBlock: hand_out must be one of {HANDED_OUT}, got {hand_out!r}.'
            )
        super().__init__(in_channels, ratio)
        self.hand_out = hand_out

    def init_weights(self) -> None:
        """Initialize to the identity (GCNet), even after an enclosing module's ``init_cfg``."""
        self.reset_parameters()

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Add the global context and return its attention too.

        Args:
            x (Tensor): (B, C, h, w) features.

        Returns:
            tuple: Features (B, C, h, w) and the attention (B, 1, h, w); see ``hand_out``.
        """
        heatmap = self.conv_mask(x)
        weights = heatmap.flatten(2).softmax(-1)
        context = x.flatten(2) @ weights.transpose(1, 2).to(x.dtype)
        x = x + self.channel_add_conv(context[..., None])
        return x, heatmap if self.hand_out == 'heatmap' else weights.view_as(heatmap)

    def forward(self, x: Tensor) -> Tensor:
        """Add the global context to features (B, C, h, w)."""
        return self.attend(x)[0]
