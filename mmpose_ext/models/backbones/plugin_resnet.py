# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""ResNet with plugin layers after its stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_plugin_layer
from mmpose.models.backbones import ResNet
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class PluginResNet(ResNet):
    """mmpose's ResNet with plugin layers after C2 to C5.

    Its state dict has the keys of mmpose's ``ResNet`` and those of the plugins, so ImageNet weights
    load with or without plugins. A plugin after stage i is the child
    ``layer{i}_{abbreviation}{postfix}``. Freezing a stage (``frozen_stages``) freezes its residual
    blocks, not its plugins.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        plugins (Sequence[dict], optional): The layers, in the order in which they are applied. Keys
            of each dict:

            - cfg (dict): Config of a layer in mmpose's registry that maps (B, C, h, w) to the same
              shape and takes ``in_channels``. Its key ``postfix``, if given, is appended to the
              child's name.
            - stages (Sequence[bool], optional): One flag per stage of the network, C2 first.
              Defaults to all stages.
            - position (str): ``'after_stage'``, the only position of this backbone (mmdet's ResNet
              takes the same layers after the convolutions inside its blocks).
        **kwargs: See mmpose's ``ResNet``.

    Raises:
        ValueError: If a plugin's position, stages or name do not fit; the message names the
            setting.
    """

    def __init__(self, depth: int, plugins: Sequence[dict] | None = None, **kwargs: Any) -> None:
        super().__init__(depth, **kwargs)
        self.plugin_names: list[list[str]] = [[] for _ in self.res_layers]
        for index, plugin in enumerate(plugins or ()):
            self._add_plugin(plugin, f'plugins[{index}]')

    def _add_plugin(self, plugin: dict, where: str) -> None:
        """Build a plugin for each of its stages; ``where`` names it in error messages."""
        unknown = set(plugin) - {'cfg', 'stages', 'position'}
        if unknown or 'cfg' not in plugin:
            raise ValueError(
                f'PluginResNet: {where} needs the key "cfg" and takes "stages" and "position", '
                f'got {sorted(plugin)}'
            )
        if plugin.get('position', 'after_stage') != 'after_stage':
            raise ValueError(
                f'PluginResNet: {where}["position"] must be "after_stage", got '
                f'{plugin["position"]!r}; for positions inside the blocks use mmdet.ResNet'
            )
        stages = plugin.get('stages', (True,) * self.num_stages)
        if len(stages) != self.num_stages or not all(isinstance(s, bool) for s in stages):
            raise ValueError(
                f'PluginResNet: {where}["stages"] must hold one bool for each of the '
                f'{self.num_stages} stages, got {stages!r}'
            )
        for stage, wanted in enumerate(stages):
            if not wanted:
                continue
            name, layer = self._build_layer(dict(plugin['cfg']), stage, where)
            name = f'layer{stage + 1}_{name}'
            if hasattr(self, name):
                raise ValueError(
                    f'PluginResNet: {where} gives a second layer named "{name}"; '
                    'give them different cfg["postfix"]'
                )
            self.add_module(name, layer)
            self.plugin_names[stage].append(name)

    def _build_layer(self, cfg: dict, stage: int, where: str) -> tuple[str, nn.Module]:
        """Build one plugin, found in mmpose's registry in any scope; return its name and layer."""
        layer_type = cfg.get('type')
        cfg['type'] = MODELS.get(layer_type) if isinstance(layer_type, str) else layer_type
        if cfg['type'] is None:
            raise ValueError(
                f'PluginResNet: {where}["cfg"]["type"] {layer_type!r} is not in the MODELS registry'
            )
        return build_plugin_layer(
            cfg, postfix=cfg.pop('postfix', ''), in_channels=self.stage_channels(stage)
        )

    def stage_channels(self, stage: int) -> int:
        """Return the output channels of stage ``stage`` (0 is C2)."""
        return self.base_channels * self.expansion * 2**stage

    def forward_stem(self, x: Tensor) -> Tensor:
        """Compute the first stage's input: (B, 3, H, W) images to (B, C, H / 4, W / 4)."""
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        return self.maxpool(x)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of the stages in ``out_indices``, each after its plugins.

        Args:
            x (Tensor): (B, 3, H, W) images.

        Returns:
            tuple[Tensor]: (B, C_i, H / s_i, W / s_i) each.
        """
        x = self.forward_stem(x)
        outs = []
        for stage, layer_name in enumerate(self.res_layers):
            x = getattr(self, layer_name)(x)
            for name in self.plugin_names[stage]:
                x = getattr(self, name)(x)
            if stage in self.out_indices:
                outs.append(x)
        return tuple(outs)
