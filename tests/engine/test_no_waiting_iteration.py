# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""With fast data, a whole iteration of the runner never waits: batch, step, optimizer, hooks."""

import pytest
import torch
from mmengine.runner import Runner
from no_waiting import no_waiting, no_waiting_on_gpu

from mmpose_ext.engine import FastPoseDataPreprocessor


def train_guarded(cfg, guard, **optimizer):
    """Train one epoch of three iterations; guard the second, after which nothing is logged."""
    cfg.train_cfg.max_epochs = 1
    cfg.optim_wrapper.optimizer = optimizer
    cfg.default_hooks.fast_data = dict(type='FastDataHook', wait_for_device=False)
    runner = Runner.from_cfg(cfg)
    run, guarded = runner.train_loop.run_iter, []

    def run_iter(number, batch):
        if number != 1:
            return run(number, batch)
        with guard():
            run(number, batch)
        guarded.append(number)

    runner.train_loop.run_iter = run_iter
    runner.train()
    assert guarded
    return runner


@pytest.fixture(params=['whole batches', 'samples in one piece'])
def cfg(request, make_config):
    """Configs whose batches are prepared as a whole, or sample by sample."""
    cfg = make_config()
    if request.param == 'samples in one piece':
        flip = dict(type='RandomFlip', direction='vertical')
        cfg.train_dataloader.dataset.pipeline.insert(2, flip)
    return cfg


def test_no_iteration_waits(cfg):
    # Adam keeps its number of steps on the CPU, where reading it is no waiting
    runner = train_guarded(cfg, no_waiting, type='SGD', lr=1e-3, momentum=0.9)
    assert isinstance(runner.model.data_preprocessor, FastPoseDataPreprocessor)
    assert len(runner.message_hub.log_scalars['train/loss'].data[0]) == 3


@pytest.mark.parametrize(
    'setting',
    [
        {'optim_wrapper.clip_grad': dict(max_norm=1)},
        {'fast_data': dict(wait_for_device=True)},
        {'fast_data': dict(reading=False)},
    ],
)
def test_waiting_is_noticed(make_config, setting):
    """mmengine reads the norm of clipped gradients; without fast data, losses and sizes too."""
    with pytest.raises(AssertionError, match='waits for the device'):
        train_guarded(make_config(**setting), no_waiting, type='SGD', lr=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_no_iteration_waits_on_a_gpu(cfg):
    train_guarded(cfg, no_waiting_on_gpu, type='Adam', lr=1e-3)
