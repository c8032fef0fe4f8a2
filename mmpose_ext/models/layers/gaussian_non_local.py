# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Gaussian non-local block with memory linear in the number of positions.

"An Attention Module for Multi-Person Pose Estimation", Section II-C, Eq. 1 and 2. The block is from
Wang et al., CVPR 2018. Parameters, their names and the result are those of mmcv's
``NonLocal2d(mode='gaussian')``; only the computation of the product differs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import NonLocal2d
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.utils.compat import is_compiling, unscaled_attention

from .precision import at_least_float32, no_autocast
from .self_similarity import self_similarity_attention

FEW_CHANNELS = 64


def gaussian_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute ``softmax(query key^T) value`` without scaling: Eq. 1 with f(a, b) = exp(a . b).

    With more keys than channels, the N x M matrix would be larger than the features and is never
    formed: memory is O(N). If ``key is query`` (no sub-sampling) and there are at least 64
    channels, the function uses the symmetric blocks of
    :func:`~mmpose_ext.models.layers.self_similarity.self_similarity_attention`. Otherwise, and in
    a traced or compiled graph, it uses ``scaled_dot_product_attention``, whose CPU kernel needs
    contiguous tensors of equal head size, so it pads ``value`` with zero channels. With few
    channels the exponentials take most of the time, and that kernel is up to four times as fast.
    With fewer keys than channels, the matrix is smaller than the features and the plain product is
    fastest.

    Args:
        query (Tensor): (B, N, C).
        key (Tensor): (B, M, C).
        value (Tensor): (B, M, D) with D <= C.

    Returns:
        Tensor: (B, N, D), in the inputs' dtype.
    """
    channels, width = key.shape[2], value.shape[2]
    if key.shape[1] <= channels or query.is_meta:  # meta tensors are for counting operations
        return (query @ key.transpose(1, 2)).softmax(dim=-1) @ value
    in_graph = is_compiling() or torch.jit.is_tracing()
    symmetric = key is query and channels >= FEW_CHANNELS and not in_graph
    if symmetric and query.dtype in (torch.float32, torch.float64):
        return self_similarity_attention(query, value)
    out = unscaled_attention(
        query.unsqueeze(1), key.unsqueeze(1), F.pad(value, (0, channels - width)).unsqueeze(1)
    )
    return out.squeeze(1)[..., :width]


@MODELS.register_module()
class GaussianNonLocal2d(NonLocal2d):
    """Gaussian non-local block (Eq. 1, 2), a plugin layer: ``Z = x + W_z softmax(x x^T) g(x)``.

    g is a 1x1 convolution to ``C // reduction`` channels. W_z is a 1x1 convolution back to C
    channels with batch normalization whose scale starts at zero, so the block starts as the
    identity. Table IV's 39.6 M parameters and 9.74 GFLOPs correspond to reduction 2 without theta
    and phi.

    Args:
        in_channels (int): Channels C of the input and output.
        reduction (int): See above. Defaults to 2.
        sub_sample (bool): Whether to pool keys and values by 2 x 2 maxima (Wang et al., Section
            3.3), which takes a quarter of the product's cost. The paper's rows don't use it.
            Defaults to False.
        float32_logits (bool): Whether to compute the product in float32 under mixed precision. The
            logits are unscaled dot products over C channels; half precision rounds them by whole
            units or overflows. False uses the features' own dtype. Defaults to True.
        norm_cfg (dict, optional): Config of the normalization in W_z. Defaults to batch
            normalization.
        **kwargs: See mmcv's ``NonLocal2d``.
    """

    _abbr_ = 'gaussian_non_local'
    g: nn.Module

    def __init__(
        self,
        in_channels: int,
        reduction: int = 2,
        sub_sample: bool = False,
        float32_logits: bool = True,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            sub_sample=sub_sample,
            reduction=reduction,
            norm_cfg=norm_cfg or dict(type='BN'),
            mode='gaussian',
            **kwargs,
        )
        self.float32_logits = float32_logits

    def init_weights(self, std: float = 0.01, zeros_init: bool = True) -> None:
        """Initialize as mmcv does, even with ``sub_sample``, with which mmcv's method fails."""
        g = self.g
        self.g = g[0] if isinstance(g, nn.Sequential) else g
        super().init_weights(std, zeros_init)
        self.g = g

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, h, w)."""
        query, value = self._tokens(x), self._tokens(self.g(x))
        key = self._tokens(self.phi(x)) if self.sub_sample else query
        with no_autocast(x):
            response = gaussian_attention(query, key, value.to(query.dtype))
        response = response.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])
        return x + self.conv_out(response.to(x.dtype))

    def _tokens(self, x: Tensor) -> Tensor:
        """Convert (B, C, h, w) to contiguous (B, h * w, C), in float32 with ``float32_logits``."""
        x = at_least_float32(x) if self.float32_logits else x
        return x.flatten(2).transpose(1, 2).contiguous()
