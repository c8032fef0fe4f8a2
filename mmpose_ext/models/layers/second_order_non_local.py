# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The complete module of "An Attention Module for Multi-Person Pose Estimation" (Eq. 7)."""

from __future__ import annotations

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from .gaussian_non_local import GaussianNonLocal2d
from .second_order import SecondOrderCBAM


@MODELS.register_module()
class SecondOrderNonLocal(BaseModule):
    """Second-order CBAM followed by a Gaussian non-local block (Eq. 7), a plugin layer.

    ``Refined(F) = Z(M_s(M_c(F) * F) * (M_c(F) * F))`` with M_c of Eq. 6, M_s of Eq. 5, Z of Eq. 2.

    Args:
        in_channels (int): Channels C of the input and output.
        cbam (dict, optional): Further arguments of
            :class:`~mmpose_ext.models.layers.second_order.SecondOrderCBAM`.
        non_local (dict, optional): Further arguments of
            :class:`~mmpose_ext.models.layers.gaussian_non_local.GaussianNonLocal2d`.
        init_cfg (dict, optional): Config of the initialization.
    """

    _abbr_ = 'second_order_non_local'

    def __init__(
        self,
        in_channels: int,
        cbam: dict | None = None,
        non_local: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.cbam = SecondOrderCBAM(in_channels, **(cbam or {}))
        self.non_local = GaussianNonLocal2d(in_channels, **(non_local or {}))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, h, w)."""
        return self.non_local(self.cbam(x))
