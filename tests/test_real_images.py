# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The attention module on real COCO images; skipped where they are missing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

PEOPLE = 20


def write_subset(folder: Path, out: Path) -> None:
    """Write the 20 largest people with whole boxes and 12 or more keypoints, one per image."""
    data = json.loads((folder / 'train.json').read_text())
    chosen = {}
    for annotation in sorted(data['annotations'], key=lambda a: -a['area']):
        if annotation['num_keypoints'] >= 12 and annotation['image_id'] not in chosen:
            chosen[annotation['image_id']] = annotation
        if len(chosen) == PEOPLE:
            break
    data['annotations'] = list(chosen.values())
    data['images'] = [image for image in data['images'] if image['id'] in chosen]
    (out / 'people.json').write_text(json.dumps(data))
    rng = np.random.default_rng(0)
    detections = []
    for annotation in data['annotations']:
        x, y, w, h = annotation['bbox']
        dx, dy, dw, dh = rng.normal(0, 0.01, 4)
        box = [x + dx * w, y + dy * h, w * (1 + dw), h * (1 + dh)]
        detections.append(dict(image_id=annotation['image_id'], category_id=1, bbox=box, score=0.9))
    (out / 'detections.json').write_text(json.dumps(detections))


def overfit_config(root: Path, images: Path, out: Path) -> Config:
    """Return the demo's config for 140 passes over the subset without augmentation."""
    cfg = Config.fromfile(root / 'configs' / 'demo' / 'attention_resnet18_128x96.py')
    cfg.train_dataloader.dataset.pipeline = [
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if step.type not in ('RandomFlip', 'RandomBBoxTransform')
    ]
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(batch_size=10, num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=None,
            ann_file=str(out / 'people.json'),
            data_prefix=dict(img=str(images)),
        )
    cfg.model.test_cfg.flip_test = False  # no flips in training either
    cfg.val_dataloader.dataset.bbox_file = None
    cfg.test_dataloader.dataset.bbox_file = str(out / 'detections.json')
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = str(out / 'people.json')
    cfg.train_cfg.update(max_epochs=140, val_interval=140)
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', T_max=140, by_epoch=True)]
    cfg.default_hooks.checkpoint.interval = 140
    cfg.default_hooks.logger.interval = 50
    cfg.work_dir = str(out / 'work')
    return cfg


def test_learns_twenty_real_people_and_tests_on_detections(root, shared_data, tmp_path):
    folder = shared_data / 'coco-real'
    write_subset(folder, tmp_path)
    cfg = overfit_config(root, folder / 'images', tmp_path)
    runner = Runner.from_cfg(cfg)
    runner.train()
    learned = runner.message_hub.get_scalar('val/coco/AP').current()
    assert learned >= 0.9

    cfg.load_from = str(tmp_path / 'work' / 'epoch_140.pth')
    cfg.experiment_name = 'detections'
    metrics = Runner.from_cfg(cfg).test()
    assert metrics['coco/AP'] >= 0.7  # boxes that are a percent off


def test_headline_config_trains_from_the_command_line(root, shared_data, tmp_path):
    folder = shared_data / 'coco-real'
    options = [
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1',
        'default_hooks.logger.interval=1',
        f'val_evaluator.ann_file={folder}/val.json',
        'val_dataloader.dataset.bbox_file=None',
        'model.backbone.init_cfg=None',  # otherwise ImageNet weights would be downloaded
    ]
    for loader, file, people in (('train', 'train.json', 4), ('val', 'val.json', 2)):
        options += [
            f'{loader}_dataloader.batch_size=2',
            f'{loader}_dataloader.num_workers=0',
            f'{loader}_dataloader.persistent_workers=False',
            f'{loader}_dataloader.dataset.indices={people}',
            f'{loader}_dataloader.dataset.data_root={folder}',
            f'{loader}_dataloader.dataset.ann_file={file}',
            f'{loader}_dataloader.dataset.data_prefix.img=images/',
        ]
    command = [sys.executable, '-m', 'mim', 'train', 'mmpose']
    command += [str(root / 'configs' / 'attention_resnet50_256x192.py')]
    command += ['--work-dir', str(tmp_path), '--cfg-options', *options]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    assert 'coco/AP' in output
    assert (tmp_path / 'epoch_1.pth').exists()
