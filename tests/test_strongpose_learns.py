# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""All of StrongPose's path on real COCO images: pipeline, model, decoding, CocoMetric."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

IMAGES, SIDE, EPOCHS = 20, 257, 200


def write_subset(folder: Path, out: Path) -> None:
    """Write the 20 images of two or more people whose smallest person is largest (15 % of a side).

    A network cannot learn small people at this input size, and bottom-up models are for groups.
    """
    data = json.loads((folder / 'train.json').read_text())
    sides = {image['id']: max(image['width'], image['height']) for image in data['images']}
    people = defaultdict(list)
    for annotation in data['annotations']:
        people[annotation['image_id']].append(annotation)

    def smallest(image: int) -> float:
        return min(a['area'] ** 0.5 for a in people[image]) / sides[image]

    groups = [i for i, found in people.items() if len(found) > 1]
    groups = [i for i in groups if all(a['num_keypoints'] for a in people[i])]
    chosen = set(sorted(groups, key=smallest)[-IMAGES:])
    data['annotations'] = [a for a in data['annotations'] if a['image_id'] in chosen]
    data['images'] = [image for image in data['images'] if image['id'] in chosen]
    assert len(data['images']) == IMAGES and min(map(smallest, chosen)) > 0.15
    (out / 'people.json').write_text(json.dumps(data))


def overfit_config(root: Path, images: Path, out: Path) -> Config:
    """Return the demo's network with a larger input on the subset, without augmentation."""
    cfg = Config.fromfile(root / 'configs' / 'demo' / 'strongpose_resnet18_193x193.py')
    codec = dict(cfg.codec, input_size=(SIDE, SIDE), map_size=(SIDE // 8 + 1,) * 2, radius=16)
    cfg.model.backbone.train_stride = cfg.model.backbone.test_stride = 8
    # statistics of a batch of two would hide an image of unusual colors from testing
    cfg.model.backbone.norm_cfg = dict(type='GN', num_groups=8)
    cfg.model.head.decoder = codec
    cfg.model.head.offset_unit = 16
    cfg.model.test_cfg.flip_test = False  # no flips in training either
    cfg.train_dataloader.dataset.pipeline = [
        dict(type='LoadImage'),
        dict(
            type='BottomupRandomAffine',
            input_size=codec['input_size'],
            scale_type='long',
            shift_prob=0.0,
            scale_prob=0.0,
            rotate_prob=0.0,
        ),
        dict(type='PersonMasks', map_size=codec['map_size']),
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]
    cfg.val_dataloader.dataset.pipeline[1].input_size = codec['input_size']
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=None, ann_file=str(out / 'people.json'), data_prefix=dict(img=str(images))
        )
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = str(out / 'people.json')
    cfg.train_cfg.update(max_epochs=EPOCHS, val_interval=EPOCHS)
    cfg.param_scheduler = [
        dict(type='LinearLR', begin=0, end=20, start_factor=0.1, by_epoch=False),
        dict(type='CosineAnnealingLR', T_max=EPOCHS, by_epoch=True, convert_to_iter_based=True),
    ]
    cfg.optim_wrapper.optimizer.lr = 1.5e-3
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook.type != 'EMAHook']
    cfg.default_hooks.checkpoint.update(interval=EPOCHS, save_best=None)
    cfg.default_hooks.logger.interval = 20
    cfg.work_dir = str(out / 'work')
    return cfg


@pytest.mark.long
def test_learns_twenty_real_images(root, shared_data, tmp_path):
    folder = shared_data / 'coco-real'
    write_subset(folder, tmp_path)
    runner = Runner.from_cfg(overfit_config(root, folder / 'images', tmp_path))
    runner.train()
    assert runner.message_hub.get_scalar('val/coco/AP').current() >= 0.8
