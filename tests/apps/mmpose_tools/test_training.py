# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""MMPose's ``train`` with its options, other log backends, wrapped and converted data sets."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import mmpose
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS

from mmpose_ext.apps.synthetic import generate

TRAIN = Path(mmpose.__file__).parent / '.mim' / 'tools' / 'train.py'
TOPDOWN = 'configs/demo/attention_resnet18_128x96.py'
STRONGPOSE = 'configs/demo/strongpose_resnet18_193x193.py'
# LSP's 14 keypoints: (its number, COCO's); neck and head_top are not among COCO's
LSP_TO_COCO = [
    *((0, 16), (1, 14), (2, 12), (3, 11), (4, 13), (5, 15)),
    *((6, 10), (7, 8), (8, 6), (9, 5), (10, 7), (11, 9)),
]

CHILD = """
_base_ = [{base!r}]
LSP_TO_COCO = {mapping!r}
annotations = 'build/demo/data/annotations/'
coco = dict(
    type='CheckedCocoDataset',
    data_mode='topdown',
    ann_file=annotations + 'person_keypoints_train.json',
    data_prefix=dict(img='build/demo/data/train/'),
    pipeline=[],
)
lsp = dict(
    type='LspDataset',
    data_mode='topdown',
    ann_file=annotations + 'lsp_train.json',
    data_prefix=dict(img='build/demo/data/train/'),
    pipeline=[dict(type='KeypointConverter', num_keypoints=17, mapping=LSP_TO_COCO)],
)
combined = dict(
    type='CombinedDataset',
    metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
    datasets=[coco, lsp],
    pipeline=_base_.train_pipeline,
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(_delete_=True, type='RepeatDataset', times=2, dataset=combined),
)
val_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(bbox_file=None)
)
val_evaluator = [
    dict(type='CocoMetric', ann_file=annotations + 'person_keypoints_val.json'),
    dict(type='PCKAccuracy', thr=0.2),
    dict(type='EPE'),
]
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, save_best=None))
visualizer = dict(
    name='backends',  # mmengine keeps one visualizer of a name for the whole process
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='TensorboardVisBackend'),
        dict(type='WandbVisBackend', init_kwargs=dict(project='people')),
    ]
)
"""

# the parts of the package wandb that mmengine calls; wandb itself needs an account
WANDB = """
import json
from types import SimpleNamespace

config = SimpleNamespace(update=lambda settings, allow_val_change: None)
run = SimpleNamespace(log_code=lambda name: None)
logged = []


def init(project, dir):
    assert project == 'people'


def log(values, commit):
    logged.append(values)


def Image(image):
    return image


def watch(model):
    pass


def join():
    pass
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory, root) -> Path:
    """Write two images with two people each, the same with LSP's 14 keypoints, and the config."""
    folder = tmp_path_factory.mktemp('training')
    generate(folder / 'build' / 'demo' / 'data', dict(train=2, val=2), people=(2, 2))
    annotations = folder / 'build' / 'demo' / 'data' / 'annotations'
    content = json.loads((annotations / 'person_keypoints_train.json').read_text())
    for person in content['annotations']:
        keypoints = np.array(person['keypoints']).reshape(17, 3)
        converted = np.zeros((14, 3))
        for lsp, coco in LSP_TO_COCO:
            converted[lsp] = keypoints[coco]
        number = int((converted[:, 2] > 0).sum())
        person.update(keypoints=converted.ravel().tolist(), num_keypoints=number)
    (annotations / 'lsp_train.json').write_text(json.dumps(content))
    child = CHILD.format(base=str(root / TOPDOWN), mapping=LSP_TO_COCO)
    (folder / 'child.py').write_text(child)
    return folder


@pytest.fixture
def train(data, monkeypatch):
    """Return a function that runs ``mim train mmpose`` with arguments in the data's folder."""

    def run(*args) -> None:
        monkeypatch.chdir(data)
        monkeypatch.setattr(sys, 'argv', ['train.py', *map(str, args)])
        runpy.run_path(str(TRAIN), run_name='__main__')

    return run


def scalars_of(work_dir: Path) -> list:
    (path,) = work_dir.rglob('vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_backends_wrapped_data_and_several_metrics(train, data, tmp_path, monkeypatch):
    event_accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator', reason='needs tensorboard'
    )
    (tmp_path / 'wandb.py').write_text(WANDB)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'wandb', raising=False)
    work_dir = tmp_path / 'work'
    args = ('child.py', '--work-dir', work_dir, '--auto-scale-lr')
    train(*args, '--show-dir=pictures', '--interval=1')
    scalars = scalars_of(work_dir)
    losses = [line['loss'] for line in scalars if 'loss' in line]
    assert len(losses) == 4 and np.isfinite(losses).all()  # 2 x (4 + 4) people, 4 at a time
    wanted = {'coco/AP', 'PCK', 'EPE'}
    assert wanted <= set(scalars[-1])
    events = event_accumulator.EventAccumulator(str(next(work_dir.rglob('vis_data'))))
    events.Reload()
    assert wanted | {'loss'} <= set(events.Tags()['scalars'])
    assert [round(event.value, 5) for event in events.Scalars('loss')] == [
        round(loss, 5) for loss in losses
    ]
    logged = sys.modules['wandb'].logged
    assert wanted | {'loss'} <= {name for values in logged for name in values}
    # --auto-scale-lr: 4 of 16 people per step
    scaled = Config.fromfile(next(work_dir.glob('child.py')))
    assert scaled.auto_scale_lr.enable
    assert scalars[0]['lr'] == pytest.approx(0.01 * 2e-3 * 4 / 16, rel=1e-3)
    log = next(work_dir.rglob('*.log')).read_text()
    assert 'Saving checkpoint' in log and 'will be deprecated' not in log
    shown = list(work_dir.rglob('vis_data/vis_image/*'))
    assert shown and all(cv2.imread(str(path)) is not None for path in shown)


def test_converted_keypoints(train, data, monkeypatch):
    """People in LSP's file equal those in COCO's file at keypoints that both label."""
    monkeypatch.chdir(data)
    cfg = Config.fromfile('child.py')
    combined = DATASETS.build(dict(cfg.combined, pipeline=[]))
    number = len(combined) // 2
    pairs = [coco for _, coco in LSP_TO_COCO]
    for index in range(number):
        coco, lsp = combined[index], combined[number + index]
        assert lsp['keypoints'].shape == (1, 17, 2)
        np.testing.assert_allclose(lsp['keypoints'][:, pairs], coco['keypoints'][:, pairs])
        seen = lsp['keypoints_visible'].reshape(1, 17, -1)[:, pairs, 0]
        np.testing.assert_array_equal(seen, coco['keypoints_visible'][:, pairs])


def test_amp(train, root, tmp_path, monkeypatch):
    """AMP runs in bfloat16 on the processor; mmengine itself allows ``--amp`` only on GPUs."""
    wrapper = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    monkeypatch.setattr(f'{wrapper}.is_cuda_available', lambda: True)
    data = ('data_root=build/demo/data/', 'ann_file=annotations/person_keypoints_train.json')
    options = [f'train_dataloader.dataset.{option}' for option in data]
    options += ['train_dataloader.batch_size=1', 'train_dataloader.num_workers=0']
    options += ['train_dataloader.persistent_workers=False']
    options += ['train_cfg.max_epochs=1', 'default_hooks.logger.interval=1', 'visualizer.name=amp']
    args = (root / STRONGPOSE, '--amp', '--no-validate', '--work-dir', tmp_path, '--cfg-options')
    train(*args, *options, 'optim_wrapper.dtype=bfloat16')
    losses = [line['loss'] for line in scalars_of(tmp_path)]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert "type='AmpOptimWrapper'" in next(tmp_path.rglob('*.log')).read_text()
