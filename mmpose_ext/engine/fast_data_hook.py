# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster loading of training data for any config."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmpose.registry import HOOKS

from mmpose_ext.datasets.fast import datasets_in, plain_metainfo, speed_up_dataset, transforms_of
from mmpose_ext.datasets.pack import use_pack
from mmpose_ext.datasets.pack.reader import COMMAND

from .deferred_log import defer_log
from .fast_batches import batch_in_one_piece


@dataclass(frozen=True)
class FastData:
    """Settings for the training data.

    Args:
        reading (bool): Whether to replace transforms by faster ones; see
            :func:`mmpose_ext.datasets.fast.speed_up_dataset`. Defaults to True.
        pack (bool | str): Whether to train from people's crops that ``mmpose-ext pack`` prepared:
            True for the pack next to each annotation file, or a path to a pack. Defaults to False.
        check_images (bool): Whether to compare, when a pack is used, the images' sizes and times,
            and the content of those whose time has changed. Defaults to True.
        pin_memory (bool, optional): Whether batches are in pinned memory, which a GPU copies from
            while it computes. None: only with a GPU.
        wait_for_device (bool, optional): Whether a training step waits for the device: mmengine
            reads each loss at each iteration, and mmpose's heatmap heads compute their accuracy on
            the CPU. False reads losses once per logging interval and leaves that accuracy out of
            the log. None: False with a GPU, else True.
        warp_on_device (bool): Whether the device, instead of a worker, changes the colors of whole
            images and warps them. Defaults to False.
        prefetch_factor (int, optional): Batches that each worker prepares ahead. None keeps the
            data loader's setting.
    """

    reading: bool = True
    pack: bool | str = False
    check_images: bool = True
    pin_memory: bool | None = None
    wait_for_device: bool | None = None
    warp_on_device: bool = False
    prefetch_factor: int | None = None


@HOOKS.register_module()
class FastDataHook(Hook):
    """Speed up the loading of training data as the arguments or the config's ``fast_data`` say.

    Without either it does nothing. All configs of this package have the hook, and
    ``configs/_base_/fast_data.py`` switches it on. A config of mmpose needs one line::

        default_hooks = dict(fast_data=dict(type='mmpose_ext.engine.FastDataHook', reading=True))

    Another hook may replace the pipeline or the data loader between epochs, as mmdet's
    ``PipelineSwitchHook`` does. This hook has a low priority, so that it sees the new one before
    the epoch starts, and prepares it in the same way.

    Args:
        **settings: Fields of :class:`FastData`. Those in the config's ``fast_data`` override them.

    Raises:
        ValueError: If a setting is unknown.
        PackError: Before training, if a pack is missing, damaged or stale.
    """

    priority = 'LOW'

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self._prepared: list[list[Any]] | None = None
        read_settings(settings)

    def before_train(self, runner: Any) -> None:
        """Prepare the training data set and its loader."""
        if runner.cfg.get('fast_data') is None and not self.settings:
            return
        settings = self._chosen(runner)
        done = self._prepare(runner, settings, settings.check_images)
        wait = settings.wait_for_device
        if not (not torch.cuda.is_available() if wait is None else wait):
            done += stop_waiting(runner)
        restart_workers(runner.train_loop)
        print_log(f'Fast data: {", ".join(done) or "nothing to do"}.', logger='current')

    def before_train_epoch(self, runner: Any) -> None:
        """Prepare a pipeline or a loader that has replaced the one before."""
        if self._prepared in (None, _steps_of(runner)):
            return
        done = self._prepare(runner, self._chosen(runner), check_images=False)
        print_log(
            f'Fast data, for a new pipeline: {", ".join(done) or "nothing to do"}.',
            logger='current',
        )

    def _chosen(self, runner: Any) -> FastData:
        return read_settings({**self.settings, **(runner.cfg.get('fast_data') or {})})

    def _prepare(self, runner: Any, settings: FastData, check_images: bool) -> list[str]:
        """Prepare the training data set and its loader; return what was done, for the log."""
        loader = runner.train_dataloader
        done = speed_up_dataset(loader.dataset) if settings.reading else []
        if settings.pack:
            path = None if settings.pack is True else settings.pack
            cfg = runner.cfg
            command = partial(
                pack_command, cfg.filename, cfg.get('train_dataloader'), runner.work_dir
            )
            later = [getattr(hook, 'switch_pipeline', None) for hook in runner.hooks]
            later = [pipeline for pipeline in later if pipeline]
            done += use_pack(loader.dataset, path, command, check_images, later)
        preprocessor = _unwrapped(runner.model).data_preprocessor
        if settings.reading or settings.pack:
            done += batch_in_one_piece(loader, preprocessor, settings.warp_on_device)
        pin = torch.cuda.is_available() if settings.pin_memory is None else settings.pin_memory
        if pin:
            loader.pin_memory = True
            preprocessor._non_blocking = True
            done.append('pinned memory')
        if settings.prefetch_factor is not None and loader.num_workers > 0:
            loader.prefetch_factor = settings.prefetch_factor
        self._prepared = _steps_of(runner)
        return done

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Write the data set's meta information as it was, so that safe loading accepts it."""
        meta = checkpoint['meta']
        if 'dataset_meta' in meta:
            meta['dataset_meta'] = plain_metainfo(meta['dataset_meta'])


def read_settings(settings: dict) -> FastData:
    """Check the ``fast_data`` of a config.

    Raises:
        ValueError: If a key is unknown.
    """
    known = [field.name for field in fields(FastData)]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(
            f'fast_data: unknown {", ".join(unknown)}; the settings are {", ".join(known)}.'
        )
    return FastData(**settings)


def pack_command(name: str | None, train_dataloader: dict | None, work_dir: str) -> str:
    """Return the command that packs a run's training set, without ``--out``.

    It names the run's config file; or, if options changed the training set or the file cannot be
    read any more, the file that the run wrote to its work folder.

    Args:
        name (str, optional): The path of the run's config file.
        train_dataloader (dict, optional): The run's setting of this name.
        work_dir (str): The run's work folder.
    """
    if not name:
        return COMMAND
    try:
        of_file = Config.fromfile(name, import_custom_modules=False).get('train_dataloader')
    except Exception:  # whatever executing the file raises
        of_file = None
    if of_file is None or of_file != train_dataloader:
        name = os.path.join(work_dir, os.path.basename(name))
    return f'mmpose-ext pack {shlex.quote(str(name))}'


def stop_waiting(runner: Any) -> list[str]:
    """Remove from a training step whatever waits for the device.

    Returns:
        list[str]: An entry for the log for each change.
    """
    done = ['losses read when logged'] if defer_log(runner) else []
    model = _unwrapped(runner.model)
    if type(getattr(model, 'head', None)).__module__.startswith('mmpose.'):
        model.train_cfg = {**model.train_cfg, 'compute_acc': False}
        done.append('no accuracy in training')
    return done


def _steps_of(runner: Any) -> list[list[Any]]:
    """Return the transforms of the training data set, and of those that it is made of."""
    return [list(transforms_of(part)) for part in datasets_in(runner.train_dataloader.dataset)]


def _unwrapped(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


def restart_workers(loop: Any) -> None:
    """Restart the workers of a loop by iterations, which starts them when it is built."""
    iterator = getattr(loop, 'dataloader_iterator', None)
    if iterator is not None:
        loop.dataloader_iterator = type(iterator)(loop.dataloader)
