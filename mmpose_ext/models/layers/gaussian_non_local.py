# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Gaussian non-local block with memory linear in the number of positions.

"An Attention Module for Multi-Person Pose Estimation", Section II-C, Eq. 1 and 2; the block is
Wang et al., CVPR 2018. Parameters, their names and the result are those of mmcv's
``NonLocal2d(mode='gaussian')``; only the way the product is computed differs.
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


def gaussian_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``softmax(query key^T) value`` without scaling: Eq. 1 with f(a, b) = exp(a . b).

    Where there are more keys than channels, the N x M matrix would outgrow the features and is
    never formed: memory is O(N). With ``key is query`` (no sub-sampling) the symmetric blocks of
    :func:`~mmpose_ext.models.layers.self_similarity.self_similarity_attention` do the work; else,
    and in a traced or compiled graph, ``scaled_dot_product_attention``, whose CPU kernel needs
    contiguous tensors of equal head size, so that ``value`` is padded with zero channels. Where
    there are fewer keys than channels, the matrix is the smaller part and the plain product is
    the fastest.

    Args:
        query (Tensor): (B, N, C).
        key (Tensor): (B, M, C).
        value (Tensor): (B, M, D) with D <= C.

    Returns:
        Tensor: (B, N, D), of the inputs' dtype.
    """
    channels, width = key.shape[2], value.shape[2]
    if key.shape[1] <= channels or query.is_meta:  # meta tensors only count operations
        return (query @ key.transpose(1, 2)).softmax(dim=-1) @ value
    in_graph = is_compiling() or torch.jit.is_tracing()
    if key is query and query.dtype in (torch.float32, torch.float64) and not in_graph:
        return self_similarity_attention(query, value)
    out = unscaled_attention(
        query.unsqueeze(1), key.unsqueeze(1), F.pad(value, (0, channels - width)).unsqueeze(1)
    )
    return out.squeeze(1)[..., :width]


@MODELS.register_module()
class GaussianNonLocal2d(NonLocal2d):
    """Gaussian non-local block (Eq. 1, 2), a plugin layer: ``Z = x + W_z softmax(x x^T) g(x)``.

    g is a 1x1 convolution to ``C // reduction`` channels, W_z a 1x1 convolution back with batch
    normalisation whose scale starts at zero, so that the block starts as the identity. Table IV's
    39.6 M parameters and 9.74 GFLOPs are those of reduction 2 with no theta and no phi.

    Args:
        in_channels (int): channels C of the input and output.
        reduction (int): see above. Default 2.
        sub_sample (bool): pool keys and values by 2 x 2 maxima (Wang et al., Section 3.3): a
            quarter of the product's cost. The paper's rows don't use it. Default False.
        float32_logits (bool): under mixed precision compute the product in float32: the logits
            are unscaled dot products over C channels, which half precision rounds by whole units
            or overflows. False uses the features' own dtype. Default True.
        norm_cfg (dict): normalisation in W_z. Default BN.
        **kwargs: see mmcv's ``NonLocal2d``.
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
        """Initialise as mmcv does; with ``sub_sample`` too, where mmcv's own method fails."""
        g = self.g
        self.g = g[0] if isinstance(g, nn.Sequential) else g
        super().init_weights(std, zeros_init)
        self.g = g

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        query, value = self._tokens(x), self._tokens(self.g(x))
        key = self._tokens(self.phi(x)) if self.sub_sample else query
        with no_autocast(x):
            response = gaussian_attention(query, key, value.to(query.dtype))
        response = response.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])
        return x + self.conv_out(response.to(x.dtype))

    def _tokens(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> contiguous (B, h * w, C), widened if the logits are to be."""
        x = at_least_float32(x) if self.float32_logits else x
        return x.flatten(2).transpose(1, 2).contiguous()
