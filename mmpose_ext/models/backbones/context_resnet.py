# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""ResNet with global context blocks, which also returns their attention (FR-SBN)."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmpose.registry import MODELS
from torch import Tensor

from .plugin_resnet import PluginResNet


class ContextFeatures(NamedTuple):
    """The output of :class:`ContextResNet`, with one entry per stage in ``out_indices``.

    Attributes:
        maps (tuple[Tensor, ...]): (B, C_i, h_i, w_i) features after the stages' context blocks.
        attention (tuple[Tensor, ...]): (B, 1, h_i, w_i); see ``GlobalContextBlock.hand_out``.
    """

    maps: tuple[Tensor, ...]
    attention: tuple[Tensor, ...]


@MODELS.register_module()
class ContextResNet(PluginResNet):
    """ResNet with a context block after each of its stages (Section 3.2, Fig. 1(a)).

    For a head that needs no attention maps, use :class:`PluginResNet` with ``GlobalContextBlock``
    as its plugin. It is the same network with the same parameters, and returns only the features.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        context (dict): Config of a :class:`mmpose_ext.models.layers.GlobalContextBlock`. Defaults
            to dict(type='GlobalContextBlock').
        **kwargs: See :class:`PluginResNet`. Other plugins come before the context block.

    Raises:
        ValueError: If the context layer has no ``attend`` method.
    """

    def __init__(
        self, depth: int, context: dict = dict(type='GlobalContextBlock'), **kwargs: Any
    ) -> None:
        plugins = [*(kwargs.pop('plugins', None) or ()), dict(cfg=context)]
        super().__init__(depth, plugins=plugins, **kwargs)
        if not hasattr(getattr(self, self.plugin_names[0][-1]), 'attend'):
            raise ValueError(
                f'ContextResNet: context {context["type"]!r} returns no attention (it has no '
                'method "attend"); use GlobalContextBlock, or PluginResNet for other layers.'
            )

    def forward(self, x: Tensor) -> ContextFeatures:
        """Return features and attention of the stages in ``out_indices``.

        Args:
            x (Tensor): (B, 3, H, W) images.
        """
        x = self.forward_stem(x)
        maps, attention = [], []
        for stage, layer_name in enumerate(self.res_layers):
            x = getattr(self, layer_name)(x)
            *others, context = self.plugin_names[stage]
            for name in others:
                x = getattr(self, name)(x)
            x, attended = getattr(self, context).attend(x)
            if stage in self.out_indices:
                maps.append(x)
                attention.append(attended)
        return ContextFeatures(tuple(maps), tuple(attention))
