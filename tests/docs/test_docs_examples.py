# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The documentation's examples work: the marked blocks of the pages are written out and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from markdown_pages import marked_blocks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS, KEYPOINT_CODECS, MODELS

from mmpose_ext.apps.main import main
from mmpose_ext.apps.synthetic import generate

COCO_OF_THREE = (0, 9, 10)  # nose and wrists


def write_out(root: Path, page: str, folder: Path) -> dict[str, str]:
    """Write a page's files to a folder that has the configs; return its commands."""
    (folder / 'configs').symlink_to(root / 'configs')
    files, commands = marked_blocks(root / 'docs' / page)
    for name, content in files.items():
        (folder / name).write_text(content)
    return commands


@pytest.fixture
def first_training(root, tmp_path, monkeypatch):
    """Write the page's files next to a small data set as the page describes it."""
    generate(tmp_path / 'data' / 'people', dict(train=3, val=2), workers=1, progress=False)
    commands = write_out(root, 'first-training.md', tmp_path)
    monkeypatch.chdir(tmp_path)
    init_default_scope('mmpose')
    return commands


def test_first_training_reads_the_data(first_training):
    for line in first_training['validate'].splitlines():
        assert main(line.split()[1:]) == 0
    cfg = Config.fromfile('my_people.py')
    assert cfg.default_hooks.checkpoint.type == 'SafeCheckpointHook'
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        dataset = DATASETS.build(loader.dataset)
        assert dataset[0]['inputs'].shape == (3, 128, 96)
        assert dataset.ann_file.startswith('data/people/') and dataset.bbox_file is None
    assert cfg.test_evaluator.ann_file == 'data/people/annotations/person_keypoints_val.json'


def test_first_training_on_other_keypoints(first_training):
    file = Path('data/people/annotations/person_keypoints_train.json')
    content = json.loads(file.read_text())
    for person in content['annotations']:
        kept = np.reshape(person['keypoints'], (-1, 3))[list(COCO_OF_THREE)]
        person.update(keypoints=kept.ravel().tolist(), num_keypoints=int((kept[:, 2] > 0).sum()))
    file.write_text(json.dumps(content))
    cfg = Config.fromfile('my_three.py')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert dataset.metainfo['flip_indices'] == [0, 2, 1]
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(
        dict(inputs=[dataset[0]['inputs']], data_samples=[dataset[0]['data_samples']])
    )
    assert model.loss(**data)['loss_kpt'] > 0


def test_networks_of_the_first_training_page_take_its_config(first_training, root):
    """The table's other base configs work on the small set."""
    text = (root / 'docs' / 'first-training.md').read_text()
    bases = [line.split('`')[1] for line in text.splitlines() if line.startswith('| `configs/')]
    mine = Path('my_people.py').read_text()
    assert len(bases) == 3
    for base in bases:
        Path('other.py').write_text(mine.replace('configs/demo/attention_resnet18_128x96.py', base))
        cfg = Config.fromfile('other.py')
        assert cfg.model == Config.fromfile(root / base).model
        assert len(DATASETS.build(cfg.train_dataloader.dataset)) > 0
        assert len(DATASETS.build(cfg.test_dataloader.dataset)) > 0


def test_parts_of_ones_own(root, tmp_path, monkeypatch):
    """The codec, the head and the plugin of the page train and test as one network."""
    write_out(root, 'extending.md', tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    generate('build/demo/data', dict(train=4, val=2), people=(1, 2), workers=1, progress=False)
    cfg = Config.fromfile('my_model.py')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.batch_size = 4
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.work_dir = str(tmp_path / 'work')
    runner = Runner.from_cfg(cfg)
    assert 'backbone.layer4_gate.layers.1.weight' in runner.model.state_dict()
    runner.train()
    assert -1 <= runner.message_hub.get_scalar('val/coco/AP').current() <= 1

    codec = KEYPOINT_CODECS.build({**cfg.codec, 'draw_on_device': False})
    keypoints = np.random.default_rng(0).uniform(12, (84, 116), (1, 17, 2))
    found, scores = codec.decode(codec.encode(keypoints))
    np.testing.assert_allclose(found, keypoints, atol=0.2)
    assert (scores > 0.8).all()


@pytest.mark.long
def test_first_training_from_end_to_end(root, tmp_path):
    """All commands of the page run on fewer images."""
    commands = '\n'.join(write_out(root, 'first-training.md', tmp_path).values())
    assert '--train 2500 --val 250' in commands
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    result = subprocess.run(
        ['bash', '-e', '-c', commands.replace('--train 2500 --val 250', '--train 24 --val 4')],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert json.loads((tmp_path / 'build/found/results.json').read_text())
    assert len(list((tmp_path / 'build/found/pictures').iterdir())) == 4
    assert len(list((tmp_path / 'build/look').glob('*.png'))) >= 8
