# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure a contestant's network: forward pass, training step, and targets in the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from mmpose_ext.apps.complexity.counting import Complexity, count_complexity
from mmpose_ext.apps.shared.configs import building
from mmpose_ext.codecs.base import BaseTorchCodec

from .contestants import Contestant

DTYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}


def build_network(contestant: Contestant, device: str = 'cpu') -> nn.Module:
    """Build the estimator with random weights.

    Raises:
        ValueError: If the contestant has no network, or its type or a setting does not exist.
    """
    if contestant.model is None:
        raise ValueError(f'{contestant.name} is a codec without a network')
    torch.manual_seed(0)
    place = torch.device('meta' if device == 'meta' else 'cpu')
    with place, building(f'the network of {contestant.name}'):
        model = MODELS.build(contestant.model)
    _mend_associative_embedding(model)
    return model.to(device)


def complexity_of(contestant: Contestant) -> Complexity:
    """Return the parameters, and the multiply-adds per image."""
    return count_complexity(build_network(contestant, 'meta'), contestant.input_size)


def random_images(contestant: Contestant, batch: int, device: str) -> Tensor:
    """Return normally distributed inputs (B, 3, h, w)."""
    w, h = contestant.input_size
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 3, h, w, generator=generator).to(device)


def forward_call(model: nn.Module, images: Tensor, dtype: str) -> Callable[[], Any]:
    """Return a forward pass of backbone, neck and head in evaluation mode."""
    model.eval()

    def forward() -> Any:
        with torch.no_grad(), _autocast(images.device, dtype):
            return model(images, None, mode='tensor')

    return forward


def step_call(
    model: nn.Module, images: Tensor, samples: list[PoseDataSample], optimizer: dict, dtype: str
) -> Callable[[], float]:
    """Return a training step: forward, targets, losses, backward, optimizer. It returns the loss.

    The samples come from the CPU, the images are on the device.
    """
    model.train()
    kind = 'OptimWrapper' if dtype != 'float16' else 'AmpOptimWrapper'
    wrapper = build_optim_wrapper(model, dict(type=kind, optimizer=dict(optimizer)))

    def step() -> float:
        here = [sample.to(images.device) for sample in samples]  # as in the data preprocessor
        with _autocast(images.device, dtype):
            losses = model.loss(images, here)
        total, _ = model.parse_losses(losses)
        wrapper.update_params(total)
        return total.item()

    return step


def targets_call(
    model: nn.Module, samples: list[PoseDataSample], device: str
) -> Callable[[], list[Tensor]]:
    """Return a step's part that brings targets to the model's device: draw, or stack and copy."""
    head = model.head
    codecs = [setting.codec for setting in getattr(head, 'settings', ())]
    if not codecs and isinstance(getattr(head, 'decoder', None), BaseTorchCodec):
        codecs = [head.decoder]
    if codecs:
        return lambda: [codec.targets(samples, device) for codec in codecs]

    def stack() -> list[Tensor]:
        fields = [dict(sample.gt_fields.items()) for sample in samples]
        return [torch.stack([f[name].to(device) for f in fields]) for name in fields[0]]

    return stack


def tensors_in(outputs: Any) -> Iterator[Tensor]:
    """Yield all tensors in nested lists, tuples and dicts."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, dict):
        yield from tensors_in(list(outputs.values()))
    elif isinstance(outputs, (list, tuple)):
        for value in outputs:
            yield from tensors_in(value)


def _autocast(device: torch.device, dtype: str) -> torch.autocast:
    low = dtype != 'float32'
    return torch.autocast(device.type, DTYPES[dtype] if low else torch.bfloat16, enabled=low)


class _HeatmapLoss(nn.Module):
    """mmpose's keypoint loss for maps with a mask (B, 1, h, w), without the people's weights."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: Tensor, target: Tensor, _weights: Tensor, mask: Tensor) -> Tensor:
        return self.loss(output, target, None, mask.to(output))


def _mend_associative_embedding(model: nn.Module) -> None:
    """Make mmpose 1.x's head trainable; it passes people's weights to a loss over images' maps.

    mmpose has configs of this head for testing only.
    """
    head = model.head
    if type(head).__name__ == 'AssociativeEmbeddingHead':
        head.loss_module.keypoint_loss = _HeatmapLoss(head.loss_module.keypoint_loss)
