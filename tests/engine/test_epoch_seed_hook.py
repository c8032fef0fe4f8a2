# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import random

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from mmpose_ext.engine import load_checkpoint_safely, seed_everything


def draw() -> tuple:
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_same_key_same_numbers():
    seed_everything(1, 0, 5)
    first = draw()
    draw()
    seed_everything(1, 0, 5)
    assert draw() == first


def test_keys_that_differ_give_other_numbers():
    drawn = []
    # also rows that add up to the same number, where mmengine's worker seeds coincide
    for key in [(1, 0, 5), (1, 5, 0), (0, 1, 5), (1, 0, 6), (1, 0, 5, 0), (2**40, 0, 0)]:
        seed_everything(*key)
        drawn.append(draw())
    for position in range(3):
        assert len({row[position] for row in drawn}) == len(drawn)


@pytest.mark.parametrize('workers', [0, pytest.param(2, marks=pytest.mark.long)])
def test_resumed_run_equals_undisturbed(
    make_config, run_until, resume, assert_same_end, undisturbed, tmp_path, workers
):
    config = make_config(**{'train_dataloader.num_workers': workers})
    if workers:  # other random streams than without workers: an undisturbed run of its own
        undisturbed = tmp_path / 'undisturbed'
        other = make_config(undisturbed, **{'train_dataloader.num_workers': workers})
        Runner.from_cfg(other).train()
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 4)  # in epoch 2
    resume(config)
    assert_same_end(undisturbed, tmp_path / 'work')


def test_without_the_hook_it_does_not(
    make_config, run_until, resume, assert_same_end, undisturbed, tmp_path
):
    config = make_config()
    config.default_hooks.pop('epoch_seed')
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 4)
    resume(config)
    with pytest.raises(AssertionError, match='state_dict'):
        assert_same_end(undisturbed, tmp_path / 'work')


@pytest.mark.long
def test_seed_that_mmengine_drew_is_resumed(
    make_config, run_until, resume, assert_same_end, tmp_path
):
    config = make_config(randomness=dict(_delete_=True, seed=None))
    assert config.randomness.seed is None
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 4)
    resume(config)
    seed = load_checkpoint_safely(tmp_path / 'work' / 'epoch_3.pth')['meta']['seed']
    other = make_config(tmp_path / 'undisturbed', **{'randomness.seed': seed})
    Runner.from_cfg(other).train()
    assert_same_end(tmp_path / 'undisturbed', tmp_path / 'work')


def test_persistent_workers_are_refused(make_config):
    loader = {'train_dataloader.num_workers': 1, 'train_dataloader.persistent_workers': True}
    with pytest.raises(ValueError, match='train_dataloader.persistent_workers=False'):
        Runner.from_cfg(make_config(**loader)).train()


def test_loop_by_iterations(make_config, run_until, resume, tmp_path):
    config = make_config(
        train_cfg=dict(
            _delete_=True, type='IterBasedTrainLoop', max_iters=4, val_interval=2, val_begin=1
        ),
        **{
            'train_dataloader.sampler.type': 'InfiniteSampler',
            'default_hooks.checkpoint.by_epoch': False,
            'default_hooks.checkpoint.interval': 2,
        },
    )
    config.param_scheduler = []
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 3)
    runner = resume(config)
    assert runner.iter == 4
    saved = load_checkpoint_safely(tmp_path / 'work' / 'iter_4.pth')
    assert saved['meta']['iter'] == 4
