# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Count parameters and multiply-adds of a model, as in the papers and in a plain way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.apps.shared.configs import building, read_config

from .flop_counter import FlopCounterMode

UNITS = {'gibi': 1024**3, 'giga': 10**9}


@dataclass(frozen=True)
class Complexity:
    """The cost of one forward pass of one image.

    Attributes:
        params (int): Trainable and frozen parameters, without buffers.
        conv_macs (int): Multiply-adds of convolutions only, with transposed convolutions counted at
            their output size. SimpleBaseline's authors count so, and the papers follow them.
        macs (int): Multiply-adds of all convolutions and matrix products, including attention, with
            transposed convolutions counted at their input size: what the machine must compute.
    """

    params: int
    conv_macs: int
    macs: int

    def conv_gmacs(self, counting: str = 'gibi') -> float:
        """Return ``conv_macs`` in units of 1024^3 ('gibi') or 10^9 ('giga')."""
        return self.conv_macs / UNITS[counting]

    @property
    def gmacs(self) -> float:
        """``macs`` in units of 10^9."""
        return self.macs / 1e9


def count_complexity(model: nn.Module, input_size: tuple[int, int]) -> Complexity:
    """Count a model's parameters and the multiply-adds of its forward pass.

    The model is moved to the meta device: nothing is computed, and you cannot use it afterwards.

    Args:
        model (nn.Module): An mmpose estimator (its ``_forward`` runs backbone, neck and head) or
            any module that takes (B, 3, H, W).
        input_size (tuple[int, int]): [w, h] of the input in pixels.

    Returns:
        Complexity: The counts for one image.
    """
    conv_macs = 0

    def add_convolution(module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        nonlocal conv_macs
        weight = module.weight
        each = weight.shape[1] * weight[0, 0].numel()  # C_in / groups * kh * kw inputs per output
        if isinstance(module, nn.ConvTranspose2d):
            each = weight.shape[0] // module.groups * weight[0, 0].numel()
        conv_macs += output.numel() * each

    model = model.to('meta').eval()
    hooks = [
        module.register_forward_hook(add_convolution)
        for module in model.modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    image = torch.empty(1, 3, input_size[1], input_size[0], device='meta')
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            getattr(model, '_forward', model)(image)
    finally:
        for hook in hooks:
            hook.remove()
    params = sum(parameter.numel() for parameter in model.parameters())
    return Complexity(params, conv_macs, counter.get_total_flops() // 2)


def complexity_of_config(
    config: str | os.PathLike, options: Mapping[str, Any] | None = None
) -> tuple[Complexity, tuple[int, int]]:
    """Build a config's model from scratch (nothing is downloaded) and count it.

    Args:
        config (str | os.PathLike): Path of an mmengine config with ``model`` and ``codec``.
        options (Mapping, optional): Settings merged in, by their dotted keys.

    Returns:
        tuple[Complexity, tuple[int, int]]: The counts and the input's [w, h].

    Raises:
        FileNotFoundError: If the config does not exist.
        ValueError: If it is not a config, or has no model or codec.
    """
    cfg = read_config(config, options)
    for key in ('model', 'codec'):
        if key not in cfg:
            raise ValueError(f'config {config} has no {key!r}: there is nothing to count')
    input_size = tuple(cfg.codec['input_size'])
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    model_cfg = cfg.model.copy()
    model_cfg.backbone.pop('init_cfg', None)
    with torch.device('meta'), building(f'the model of config {config}'):
        model = MODELS.build(model_cfg)
    return count_complexity(model, input_size), input_size
