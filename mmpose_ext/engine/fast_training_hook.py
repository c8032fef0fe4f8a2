# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster training: memory format, mixed precision, compilation, JPEG decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import MethodType
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import HOOKS
from torch import nn

from mmpose_ext.datasets.fast import datasets_in, transforms_of
from mmpose_ext.datasets.transforms.turbojpeg_image import LoadTurboJpegImage, has_turbojpeg
from mmpose_ext.utils.compat import compile_in_place, has_own_bfloat16


@dataclass(frozen=True)
class FastTraining:
    """Settings of fast training; ``None`` decides by the machine.

    Args:
        channels_last (bool, optional): Whether convolution weights, and so all maps, have the
            channels innermost. None: on GPUs (on a CPU it gains nothing, and slows down dilated and
            transposed convolutions).
        mixed_precision (bool, optional): Whether forward passes in training run under bfloat16
            autocast. Losses, weights, their gradients, the optimizer and testing stay in float32.
            None: on GPUs that compute in bfloat16.
        compile (bool, optional): Whether to ``torch.compile`` the backbone. None: on GPUs.
        cudnn_benchmark (bool): Whether cuDNN tries its algorithms, which helps if sizes don't
            change. Defaults to True.
        turbojpeg (bool, optional): Whether to decode JPEGs with PyTurboJPEG. None: if it is
            installed.
    """

    channels_last: bool | None = None
    mixed_precision: bool | None = None
    compile: bool | None = None
    cudnn_benchmark: bool = True
    turbojpeg: bool | None = None


@HOOKS.register_module()
class FastTrainingHook(Hook):
    """Speed up training as the config's ``fast_training`` says; do nothing without it.

    All configs of this package have the hook. ``configs/_base_/fast.py`` switches it on for a
    config that inherits it together with another. Command-line options do the same: ``--cfg-options
    fast_training.mixed_precision=True``. Checkpoints are the same as in plain training. The configs
    also set the codec's ``draw_on_device``, which draws targets on the device.

    Raises:
        ValueError: Before training, if ``fast_training`` has an unknown key.
        ImportError: If ``turbojpeg=True`` is set and PyTurboJPEG is not installed.
    """

    def before_train(self, runner: Runner) -> None:
        """Prepare the model and the training data set."""
        settings = runner.cfg.get('fast_training')
        if settings is None:
            return
        settings = read_settings(settings)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        done = speed_up(model, settings, next(model.parameters()).device)
        if _decide(settings.turbojpeg, has_turbojpeg):
            use_turbojpeg(runner.train_dataloader.dataset)
            done.append('turbojpeg')
        print_log(f'Fast training: {", ".join(done) or "nothing to do"}.', logger='current')


def read_settings(settings: dict) -> FastTraining:
    """Check the ``fast_training`` of a config.

    Raises:
        ValueError: If a key is unknown.
    """
    known = [field.name for field in fields(FastTraining)]
    if unknown := set(settings) - set(known):
        raise ValueError(
            f'fast_training: unknown {", ".join(sorted(unknown))}; the settings are '
            f'{", ".join(known)}.'
        )
    return FastTraining(**settings)


def speed_up(model: nn.Module, settings: FastTraining, device: torch.device) -> list[str]:
    """Apply the settings to a pose estimator; :func:`use_turbojpeg` handles the images.

    Args:
        model (nn.Module): The estimator, not wrapped for distribution.
        settings (FastTraining): The settings.
        device (torch.device): The model's device.

    Returns:
        list[str]: What was done.
    """
    done = []
    if _decide(settings.channels_last, lambda: device.type == 'cuda'):
        model.to(memory_format=torch.channels_last)
        done.append('channels last')
    if _decide(settings.mixed_precision, lambda: has_fast_bfloat16(device)):
        use_bfloat16(model, device)
        done.append('bfloat16')
    if _decide(settings.compile, lambda: device.type == 'cuda'):
        compile_in_place(model.backbone)
        done.append('compiled backbone')
    if settings.cudnn_benchmark and device.type == 'cuda':
        torch.backends.cudnn.benchmark = True
        done.append('cuDNN benchmark')
    return done


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether the device itself computes in bfloat16 (CPUs stay at float32)."""
    return device.type == 'cuda' and has_own_bfloat16()


def use_bfloat16(model: nn.Module, device: torch.device) -> None:
    """Run backbone, neck and head of a pose estimator under bfloat16 autocast in training.

    The head returns float32 maps, so losses are computed in float32. bfloat16 has the same range as
    float32, so no loss needs scaling.
    """
    for module, name in ((model, 'extract_feat'), (model.head, 'forward')):
        setattr(module, name, MethodType(_in_bfloat16(name, device.type), module))


def _in_bfloat16(name: str, device_type: str) -> Callable:
    """Return a replacement for the method ``name``, bound to its module so that copies work."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        method = getattr(type(self), name)
        if not self.training:
            return method(self, *args, **kwargs)
        with torch.autocast(device_type, torch.bfloat16):
            result = method(self, *args, **kwargs)
        return _float32(result) if name == 'forward' else result

    return call


def _float32(maps: Any) -> Any:
    """Widen all tensors in nested dicts and sequences."""
    if isinstance(maps, torch.Tensor):
        return maps.float()
    if isinstance(maps, dict):
        return {key: _float32(value) for key, value in maps.items()}
    return type(maps)(map(_float32, maps))


def use_turbojpeg(dataset: Any) -> None:
    """Load the images of a data set, and of those in it, with ``LoadTurboJpegImage``.

    It replaces transforms whose class is exactly mmpose's ``LoadImage`` and keeps their settings.

    Raises:
        ImportError: If turbojpeg is not installed.
    """
    for part in datasets_in(dataset):
        transforms = transforms_of(part)
        for i, transform in enumerate(transforms):
            if type(transform) is LoadImage and transform.color_type == 'color':
                transforms[i] = LoadTurboJpegImage(
                    to_float32=transform.to_float32,
                    imdecode_backend=transform.imdecode_backend,
                    backend_args=transform.backend_args,
                    ignore_empty=transform.ignore_empty,
                )


def _decide(asked: bool | None, by_machine: Callable[[], bool]) -> bool:
    return by_machine() if asked is None else asked
