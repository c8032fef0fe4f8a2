# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster training: memory format, mixed precision, compilation, decoding of JPEGs."""

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

from mmpose_ext.datasets.transforms.turbojpeg_image import LoadTurboJpegImage, has_turbojpeg
from mmpose_ext.utils.compat import compile_in_place, has_own_bfloat16


@dataclass(frozen=True)
class FastTraining:
    """What to do; ``None`` leaves the decision to the machine.

    Args:
        channels_last (bool, optional): Weights of convolutions, and so all maps, with channels
            innermost. None: on GPUs (on a CPU it gains nothing, and dilated and transposed
            convolutions lose by it).
        mixed_precision (bool, optional): Forward passes in training under bfloat16 autocast;
            losses, weights, their gradients, the optimiser and testing stay float32. None: on GPUs
            that calculate in bfloat16.
        compile (bool, optional): ``torch.compile`` of the backbone. None: on GPUs.
        cudnn_benchmark (bool): Whether cuDNN tries its algorithms; good where sizes don't change.
        turbojpeg (bool, optional): Decode JPEGs by PyTurboJPEG. None: where it is installed.
    """

    channels_last: bool | None = None
    mixed_precision: bool | None = None
    compile: bool | None = None
    cudnn_benchmark: bool = True
    turbojpeg: bool | None = None


@HOOKS.register_module()
class FastTrainingHook(Hook):
    """Speeds up training as the config's ``fast_training`` says; without that it does nothing.

    All configs of this package have the hook. ``configs/_base_/fast.py`` switches it on for a
    config that inherits it along with another. Command-line options do the same:
    ``--cfg-options fast_training.mixed_precision=True``. Checkpoints are those of plain training.
    Targets are drawn on the device by ``draw_on_device`` of the codec, which the configs have set.

    Raises:
        ValueError: Before training, if ``fast_training`` has an unknown key.
        ImportError: If ``turbojpeg=True`` is asked for and it is not installed.
    """

    def before_train(self, runner: Runner) -> None:
        """Prepare the model and the training's data set."""
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
    """Check ``fast_training`` of a config.

    Raises:
        ValueError: If a key is unknown.
    """
    known = [field.name for field in fields(FastTraining)]
    if unknown := set(settings) - set(known):
        raise ValueError(
            f'fast_training: {", ".join(sorted(unknown))} is unknown; there are {", ".join(known)}.'
        )
    return FastTraining(**settings)


def speed_up(model: nn.Module, settings: FastTraining, device: torch.device) -> list[str]:
    """Do with a pose estimator what the settings say; the images' part is :func:`use_turbojpeg`.

    Args:
        model (nn.Module): The estimator, not wrapped.
        settings (FastTraining): What to do.
        device (torch.device): Where the model is.

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
    """Whether the device calculates in bfloat16 itself (CPUs are left at float32)."""
    return device.type == 'cuda' and has_own_bfloat16()


def use_bfloat16(model: nn.Module, device: torch.device) -> None:
    """Let backbone, neck and head of a pose estimator run under bfloat16 autocast in training.

    The head's maps are given as float32, so losses are calculated in it; bfloat16 has its range,
    so that no loss has to be scaled.
    """
    for module, name in ((model, 'extract_feat'), (model.head, 'forward')):
        setattr(module, name, MethodType(_in_bfloat16(name, device.type), module))


def _in_bfloat16(name: str, device_type: str) -> Callable:
    """A method in the place of ``name``; bound to a module, so that a copied module has a copy."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        method = getattr(type(self), name)
        if not self.training:
            return method(self, *args, **kwargs)
        with torch.autocast(device_type, torch.bfloat16):
            result = method(self, *args, **kwargs)
        return _float32(result) if name == 'forward' else result

    return call


def _float32(maps: Any) -> Any:
    """Widen all tensors in nested dicts and rows."""
    if isinstance(maps, torch.Tensor):
        return maps.float()
    if isinstance(maps, dict):
        return {key: _float32(value) for key, value in maps.items()}
    return type(maps)(map(_float32, maps))


def use_turbojpeg(dataset: Any) -> None:
    """Let ``LoadTurboJpegImage`` load the images of a data set, or of those that it is made of.

    Transforms that are exactly mmpose's ``LoadImage`` are replaced, with their settings.

    Raises:
        ImportError: If turbojpeg is not installed.
    """
    for part in getattr(dataset, 'datasets', [dataset]):
        transforms = part.pipeline.transforms
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
