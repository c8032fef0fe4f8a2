# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy
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
    # also rows with the same sum, for which mmengine's worker seeds coincide
    for key in [(1, 0, 5), (1, 5, 0), (0, 1, 5), (1, 0, 6), (1, 0, 5, 0), (2**40, 0, 0)]:
        seed_everything(*key)
        drawn.append(draw())
    for position in range(3):
        assert len({row[position] for row in drawn}) == len(drawn)


@pytest.mark.parametrize(
    ('workers', 'persistent'),
    [(0, False), (1, True), pytest.param(2, False, marks=pytest.mark.long), (2, True)],
)
def test_resumed_run_equals_undisturbed(
    make_config, run_until, resume, assert_same_end, undisturbed, tmp_path, workers, persistent
):
    """The undisturbed run has no data workers: their number makes no difference."""
    loader = dict(num_workers=workers, persistent_workers=persistent)
    config = make_config(train_dataloader=loader)
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 4)  # in epoch 2
    resume(config)
    assert_same_end(undisturbed, tmp_path / 'work')


@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'CombinedDataset'])
def test_resumed_run_of_wrapped_data(
    make_config, run_until, resume, assert_same_end, tmp_path, wrapper
):
    config = make_config(**{'train_cfg.max_epochs': 2})
    dataset = config.train_dataloader.dataset
    if wrapper == 'RepeatDataset':
        config.train_dataloader.dataset = dict(type=wrapper, dataset=dataset, times=2)
    else:
        metainfo = dict(from_file='configs/_base_/datasets/coco.py')
        config.train_dataloader.dataset = dict(
            type=wrapper, datasets=[dataset, dataset], metainfo=metainfo, pipeline=[]
        )
    config.train_dataloader.update(num_workers=1, persistent_workers=True)
    undisturbed = tmp_path / 'undisturbed'
    other = copy.deepcopy(config)
    other.update(work_dir=str(undisturbed), experiment_name=f'{wrapper}_undisturbed')
    Runner.from_cfg(other).train()
    run_until(config, 'before_train_iter', lambda runner: runner.iter == 8)  # in epoch 2
    resume(config)
    assert_same_end(undisturbed, tmp_path / 'work', epoch=2)


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
