# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Fixtures for trainings of seconds: a ResNet-18 of 8 channels on six generated images."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import sys
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

import mmpose_ext.safe_loading  # noqa: F401  as the configs do
from mmpose_ext.engine import checkpoint_loading, load_checkpoint_safely
from mmpose_ext.utils.sequences import zip_equal

STEPS = ('mmpose_ext.safe_loading', 'mmpose_ext.cpu_launcher')  # default_runtime.py's
NUM_IMAGES = 6
SIZE = 48
_count = itertools.count()


def write_dataset(folder: Path) -> Path:
    """Write ``folder/{images,annotations.json}``, one person per image, and return the folder."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True)
    images, annotations = [], []
    for index in range(1, NUM_IMAGES + 1):
        name = f'{index:06d}.png'
        picture = rng.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
        keypoints = rng.uniform(8, SIZE - 8, (17, 3))
        keypoints[:, 2] = 2
        for x, y, _ in keypoints:
            cv2.circle(picture, (int(x), int(y)), 2, (255, 255, 255), -1)
        cv2.imwrite(str(folder / 'images' / name), picture)
        images.append(dict(id=index, file_name=name, width=SIZE, height=SIZE))
        annotations.append(
            dict(
                id=index,
                image_id=index,
                category_id=1,
                bbox=[4, 4, SIZE - 8, SIZE - 8],
                area=float(SIZE * SIZE / 2),
                iscrowd=0,
                num_keypoints=17,
                keypoints=keypoints.round(2).ravel().tolist(),
            )
        )
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
    (folder / 'annotations.json').write_text(json.dumps(content))
    return folder


def tiny_config(data: Path, work_dir: Path, **overrides) -> Config:
    """Return the config, with ``overrides`` (dotted keys) merged into it."""
    codec = dict(type='MSRAHeatmap', input_size=(32, 32), heatmap_size=(8, 8), sigma=1)
    loader = dict(batch_size=2, num_workers=0, persistent_workers=False)
    dataset = dict(
        type='CocoDataset',
        data_root=str(data),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
    )
    train_pipeline = [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='RandomFlip', direction='horizontal'),
        dict(type='RandomBBoxTransform'),
        dict(type='TopdownAffine', input_size=codec['input_size']),
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]
    val_pipeline = [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=codec['input_size']),
        dict(type='PackPoseInputs'),
    ]
    val_loader = dict(
        **loader,
        sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        dataset=dict(**dataset, test_mode=True, pipeline=val_pipeline),
    )
    # AP stays 0 in such a short training; EPE, in pixels, distinguishes any two models.
    evaluator = [
        dict(type='CocoMetric', ann_file=str(data / 'annotations.json')),
        dict(type='EPE'),
    ]
    config = Config(
        dict(
            default_scope='mmpose',
            env_cfg=dict(dist_cfg=dict(backend='nccl')),  # mmengine 0.8 has no default
            custom_imports=dict(imports=['mmpose_ext', *STEPS]),
            work_dir=str(work_dir),
            # mmengine's message hubs persist, and its default names change only every second
            experiment_name=f'tiny{next(_count)}',
            log_level='WARNING',
            randomness=dict(seed=7),
            model=dict(
                type='TopdownPoseEstimator',
                data_preprocessor=dict(type='PoseDataPreprocessor'),
                backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
                head=dict(
                    type='HeatmapHead',
                    in_channels=64,
                    out_channels=17,
                    deconv_out_channels=(16, 16, 16),
                    deconv_kernel_sizes=(4, 4, 4),
                    loss=dict(type='KeypointMSELoss', use_target_weight=True),
                    decoder=codec,
                ),
            ),
            train_dataloader=dict(
                **loader,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(**dataset, pipeline=train_pipeline),
            ),
            val_dataloader=val_loader,
            test_dataloader=copy.deepcopy(val_loader),
            val_evaluator=evaluator,
            test_evaluator=evaluator,
            train_cfg=dict(by_epoch=True, max_epochs=3, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
            # With this rate, each epoch improves the EPE, so the best checkpoint changes each time.
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=3e-3)),
            param_scheduler=[
                dict(type='LinearLR', begin=0, end=4, start_factor=0.1, by_epoch=False),
                dict(type='MultiStepLR', milestones=[2], by_epoch=True),
            ],
            default_hooks=dict(
                checkpoint=dict(
                    type='SafeCheckpointHook',
                    interval=1,
                    save_best='EPE',
                    rule='less',
                    max_keep_ckpts=2,
                ),
                epoch_seed=dict(type='EpochSeedHook'),
                checkpoint_match=dict(type='CheckpointMatchHook'),
            ),
        )
    )
    config.merge_from_dict(overrides)
    return config


@pytest.fixture(scope='session', autouse=True)
def _unformatted_config_text():
    """Skip mmengine's formatting of the config's text, which takes two thirds of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **kwargs: (text, True))
        yield


@pytest.fixture
def mmengines_own_loaders(monkeypatch) -> dict:
    """Restore mmengine's checkpoint loaders as in a process without safe loading."""
    own = {
        prefix: mmengine_checkpoint.load_from_local
        if prefix == ''
        else getattr(loader, '__wrapped__', loader)
        for prefix, loader in CheckpointLoader._schemes.items()
    }
    monkeypatch.setattr(CheckpointLoader, '_schemes', OrderedDict(own))
    monkeypatch.setattr(checkpoint_loading, '_installed', False)
    monkeypatch.delitem(sys.modules, 'mmpose_ext.safe_loading', raising=False)
    return own


class StopHere(Exception):
    """An error that a test's hook raises instead of a crash."""


class StopHook(Hook):
    """Raise :class:`StopHere` at one of mmengine's hook points, as soon as ``when(runner)``."""

    priority = 'LOWEST'

    def __init__(self, point: str, when=lambda runner: True) -> None:
        def stop(runner, *args, **kwargs):
            if when(runner):
                raise StopHere

        setattr(self, point, stop)


@pytest.fixture
def run_until():
    """Return ``run_until(config, point, when)``, which trains until :class:`StopHook` stops it."""

    def run(config: Config, point: str, when) -> Runner:
        runner = Runner.from_cfg(copy.deepcopy(config))
        runner.register_hook(StopHook(point, when))
        with pytest.raises(StopHere):
            runner.train()
        return runner

    return run


@pytest.fixture
def resume():
    """Return ``resume(config)``, which resumes like ``mim train --resume``; gives the runner."""

    def run(config: Config) -> Runner:
        config = copy.deepcopy(config)
        config.resume = True
        runner = Runner.from_cfg(config)
        runner.train()
        return runner

    return run


@pytest.fixture(scope='session')
def undisturbed(tiny_data, tmp_path_factory) -> Path:
    """Return the work folder of an undisturbed training of three epochs."""
    work_dir = tmp_path_factory.mktemp('undisturbed') / 'work'
    Runner.from_cfg(tiny_config(tiny_data, work_dir)).train()
    return work_dir


@pytest.fixture
def assert_same_end():
    """Return a check that two work folders have the same weights, optimizer and records."""

    def check(first: Path, second: Path, epoch: int = 3) -> None:
        ends = [load_checkpoint_safely(folder / f'epoch_{epoch}.pth') for folder in (first, second)]
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            assert_equal(ends[0][part], ends[1][part], part)
        infos = [end['message_hub']['runtime_info'] for end in ends]
        for key in ('best_score', 'keep_ckpt_ids', 'validated_iter'):
            assert infos[0][key] == infos[1][key], key
        names = [sorted(path.name for path in folder.glob('*.pth')) for folder in (first, second)]
        assert names[0] == names[1]

    return check


def assert_equal(a, b, where: str) -> None:
    """Check that two nested states are equal to the last bit."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f'{where}.{key}')
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip_equal(a, b)):
            assert_equal(x, y, f'{where}[{index}]')
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


@pytest.fixture(scope='session')
def tiny_data(tmp_path_factory) -> Path:
    """Write a COCO-style folder with ``images/`` and ``annotations.json``."""
    return write_dataset(tmp_path_factory.mktemp('tiny') / 'data')


@pytest.fixture(scope='session')
def config_in(tiny_data):
    """Return ``config_in(work_dir, **dotted_overrides)``, which gives a Config."""
    return functools.partial(tiny_config, tiny_data)


@pytest.fixture
def make_config(tiny_data, tmp_path):
    """Return ``make_config(**dotted_overrides)`` for Configs that work in ``tmp_path / 'work'``."""

    def make(work_dir: Path | None = None, **overrides) -> Config:
        return tiny_config(tiny_data, work_dir or tmp_path / 'work', **overrides)

    return make


@pytest.fixture(scope='session')
def trained(tiny_data, tmp_path_factory) -> Path:
    """Return the work folder of a finished training of two epochs with EMA."""
    work_dir = tmp_path_factory.mktemp('trained') / 'work'
    config = tiny_config(tiny_data, work_dir, **{'train_cfg.max_epochs': 2})
    config.custom_hooks = [dict(type='EMAHook')]
    Runner.from_cfg(config).train()
    return work_dir
