# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Warn at the start of training if the batch size does not fit the learning rate."""

from __future__ import annotations

import logging

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpose.registry import HOOKS


@HOOKS.register_module()
class BatchSizeHook(Hook):
    """Warn if the samples per step differ from ``auto_scale_lr.base_batch_size``.

    A step uses batch size x processes x accumulated batches. The papers train with 128 samples per
    step at a rate of 1e-3; eight GPUs with 128 each use 1024 at the same rate. The hook warns once,
    before the first step, and says how to fix it. It is silent if ``auto_scale_lr.enable`` adapts
    the rate or the config has no ``auto_scale_lr``.
    """

    priority = 'LOW'

    def before_train(self, runner: Runner) -> None:
        """Compare the two numbers."""
        setting = runner.cfg.get('auto_scale_lr') or {}
        expected = setting.get('base_batch_size')
        if not expected or setting.get('enable', False):
            return
        batch, processes = runner.train_dataloader.batch_size, get_world_size()
        accumulated = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        samples = batch * processes * accumulated
        if samples == expected:
            return
        print_log(
            f'This training uses {samples} samples per step ({batch} x {processes} processes x '
            f'{accumulated} accumulated), but its learning rate is for {expected}. Set '
            f'train_dataloader.batch_size={max(1, expected // processes)}, or adapt the rate with '
            'auto_scale_lr.enable=True.',
            logger='current',
            level=logging.WARNING,
        )
