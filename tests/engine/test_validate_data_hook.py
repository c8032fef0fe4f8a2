# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS, HOOKS

from mmpose_ext.datasets import DataError
from mmpose_ext.engine.validate_data_hook import coco_style_datasets


@pytest.fixture
def start(make_config, tmp_path, caplog):
    """Return ``start(dataset=..., **hook)``, which runs the hook and returns the log's text."""
    caplog.set_level(logging.INFO)
    init_default_scope('mmpose')

    def run(dataset=None, **settings) -> str:
        if dataset is None:
            dataset = make_config().train_dataloader.dataset
        loader = SimpleNamespace(dataset=DATASETS.build(dataset))
        logger = logging.getLogger('validate')
        runner = SimpleNamespace(
            train_dataloader=loader, val_loop=None, logger=logger, log_dir=str(tmp_path)
        )
        HOOKS.build(dict(type='ValidateDataHook', **settings)).before_train(runner)
        return caplog.text

    return run


@pytest.fixture
def faulty(make_config, tmp_path) -> dict:
    """Return a training set with an empty first box and a second person outside the image."""
    dataset = make_config().train_dataloader.dataset
    content = json.loads(open(f'{dataset.data_root}/annotations.json').read())
    content['annotations'][0]['bbox'] = [4, 4, 0, 40]
    content['annotations'][1]['keypoints'][0] = -30
    (tmp_path / 'faulty.json').write_text(json.dumps(content))
    return Config(dict(dataset, ann_file=str(tmp_path / 'faulty.json')))._cfg_dict


def test_valid_data_is_one_line(start, tmp_path):
    text = start()
    assert 'Training data' in text and 'no error(s), no warning(s)' in text
    assert '6 image files' in text
    assert not list(tmp_path.glob('data_faults*'))


def test_faults_are_summed_up_and_listed_in_a_file(start, faulty, tmp_path):
    text = start(faulty)
    assert 'bbox-empty' in text and 'keypoints-outside' in text
    assert '1 error(s), 1 warning(s)' in text
    written = json.loads((tmp_path / 'data_faults_1.json').read_text())
    assert str(tmp_path / 'data_faults_1.json') in text
    assert {tuple(f['annotation_ids']) for f in written['findings']} == {(1,), (2,)}


@pytest.mark.parametrize('stop_on', ['error', 'warning'])
def test_stop(start, faulty, stop_on):
    with pytest.raises(DataError, match=r'1 error\(s\).*data_faults_1\.json.*stop_on'):
        start(faulty, stop_on=stop_on)


def test_warnings_alone(start, faulty, tmp_path):
    content = json.loads((tmp_path / 'faulty.json').read_text())
    content['annotations'][0]['bbox'] = [4, 4, 40, 40]
    (tmp_path / 'faulty.json').write_text(json.dumps(content))
    start(faulty, stop_on='error')
    with pytest.raises(DataError):
        start(faulty, stop_on='warning')


def test_depth(start, faulty):
    assert 'image files' not in start(faulty, depth='annotations')
    assert '6 image files' in start(faulty, depth='images', workers=2)


def test_data_sets_below_wrappers(start, faulty):
    first = DATASETS.build(faulty)
    concatenated = dict(
        type='ConcatDataset',
        datasets=[faulty],
        ignore_keys=list(first.metainfo),  # arrays, which mmengine 0.8 can't compare
    )
    wrapped = dict(type='RepeatDataset', times=2, dataset=concatenated)
    assert [d.ann_file for d in coco_style_datasets(DATASETS.build(wrapped))] == [first.ann_file]
    combined = dict(
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=[faulty, faulty],
        pipeline=[],
    )
    assert len(list(coco_style_datasets(DATASETS.build(combined)))) == 2
    assert start(combined).count('Training data') == 1  # the same file is checked once


def test_other_data_sets_are_left_alone(start, tmp_path):
    class Other:
        def __len__(self):
            return 1

    assert list(coco_style_datasets(Other())) == []


@pytest.mark.parametrize('settings', [dict(depth='deep'), dict(stop_on='all')])
def test_wrong_settings(settings):
    with pytest.raises(ValueError, match='ValidateDataHook'):
        HOOKS.build(dict(type='ValidateDataHook', **settings))


def test_in_training(make_config, faulty):
    config = make_config(**{'train_cfg.max_epochs': 1})
    config.train_dataloader.update(dataset=faulty, batch_size=5)
    config.default_hooks.validate_data = dict(type='ValidateDataHook')
    runner = Runner.from_cfg(config)
    runner.train()
    log = next(Path(runner.log_dir).glob('*.log')).read_text()
    assert 'bbox-empty' in log  # a warning, above the log level of this config
