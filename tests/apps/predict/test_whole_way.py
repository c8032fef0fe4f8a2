# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From images to AP: train the demo's detector, detect, test a top-down model with its boxes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmpose_ext.apps.main import main
from mmpose_ext.apps.synthetic import generate

CONFIG = 'configs/demo/detector_rtmdet_160x128.py'


def training_options(data: Path, batch_size: int, **more) -> dict:
    """Return settings that train and validate the detector on a set."""
    options = {}
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        options[f'{loader}.dataset.data_root'] = f'{data}/'
        options[f'{loader}.num_workers'] = 0
        options[f'{loader}.persistent_workers'] = False
        options[f'{loader}.batch_size'] = batch_size
    for evaluator in ('val_evaluator', 'test_evaluator'):
        options[f'{evaluator}.ann_file'] = f'{data}/annotations/person_keypoints_val.json'
    return {**options, **more}


def detect(root: Path, data: Path, checkpoint: Path, out: Path) -> list[dict]:
    """Run ``mmpose-ext detect`` on the validation images."""
    annotations = str(data / 'annotations' / 'person_keypoints_val.json')
    arguments = ['--ann', annotations, '--images', str(data / 'val'), '--out', str(out), '--quiet']
    assert main(['detect', str(root / CONFIG), str(checkpoint), *arguments]) == 0
    return json.loads(out.read_text())


def topdown_ap(topdown, data: Path, boxes: Path | None, work_dir: Path) -> float:
    """Return the untrained top-down model's AP with a detection file or ground-truth boxes."""
    cfg = Config.fromfile(topdown.config)
    cfg.pop('train_dataloader')
    annotations = str(data / 'annotations' / 'person_keypoints_val.json')
    cfg.test_dataloader.dataset.update(
        type='CheckedCocoDataset',
        ann_file=annotations,
        data_prefix=dict(img=str(data / 'val')),
        bbox_file=boxes and str(boxes),
    )
    cfg.test_evaluator.ann_file = annotations
    cfg.update(
        work_dir=str(work_dir), load_from=str(topdown.checkpoint), experiment_name=work_dir.name
    )
    with DefaultScope.overwrite_default_scope('mmpose'):
        return Runner.from_cfg(cfg).test()['coco/AP']


def test_a_few_iterations(root, topdown, tmp_path):
    data = generate(tmp_path / 'data', dict(train=4, val=2), people=(1, 2), workers=1)
    cfg = Config.fromfile(root / CONFIG)
    cfg.merge_from_dict(training_options(data, 2))
    cfg.merge_from_dict({'train_cfg.max_epochs': 1, 'model.test_cfg.score_thr': 0.0})
    cfg.work_dir = str(tmp_path / 'detector')
    with DefaultScope.overwrite_default_scope('mmdet'):
        Runner.from_cfg(cfg).train()
    found = detect(root, data, tmp_path / 'detector' / 'epoch_1.pth', tmp_path / 'boxes.json')
    assert {detection['category_id'] for detection in found} <= {1}
    if found:  # a network of two iterations may see nobody
        ap = topdown_ap(topdown, data, tmp_path / 'boxes.json', tmp_path / 'test')
        assert -1 <= ap <= 1
    assert -1 <= topdown_ap(topdown, data, None, tmp_path / 'truth') <= 1


@pytest.mark.long
def test_the_trained_detector_finds_people(root, topdown, tmp_path):
    """The documented command trains the detector on a few images until it knows them."""
    data = generate(tmp_path / 'data', dict(train=32, val=8), people=(1, 1), workers=1)
    options = training_options(data, 8)
    options = {
        **options,
        'train_cfg.max_epochs': 40,
        'train_cfg.val_interval': 40,
        'default_hooks.checkpoint.interval': 40,
        'param_scheduler.0.end': 20,
        'param_scheduler.1.T_max': 40,
        'val_dataloader.dataset.ann_file': 'annotations/person_keypoints_train.json',
        'val_dataloader.dataset.data_prefix.img': 'train/',
        'val_evaluator.ann_file': f'{data}/annotations/person_keypoints_train.json',
    }
    command = [sys.executable, '-m', 'mim', 'train', 'onedl-mmdetection', str(root / CONFIG)]
    command += ['--work-dir', str(tmp_path / 'detector'), '--cfg-options']
    command += [f'{key}={value}' for key, value in options.items()]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    ap50 = float(output.split('coco/bbox_mAP_50: ')[1].split()[0])
    assert ap50 >= 0.5, output[-3000:]
    found = detect(root, data, tmp_path / 'detector' / 'epoch_40.pth', tmp_path / 'boxes.json')
    assert {detection['image_id'] for detection in found}
    assert topdown_ap(topdown, data, tmp_path / 'boxes.json', tmp_path / 'test') >= 0
