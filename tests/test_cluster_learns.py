# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network on real COCO images; skipped where they are missing."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

IMAGES, SIZE, EPOCHS = 20, 160, 450


def write_subset(folder: Path, out: Path) -> None:
    """Write the 20 images with the most people, who all show 8 keypoints and cover 5 percent."""
    data = json.loads((folder / 'train.json').read_text())
    people = defaultdict(list)
    for annotation in data['annotations']:
        people[annotation['image_id']].append(annotation)
    chosen = []
    for image in data['images']:
        least = 0.05 * image['width'] * image['height']
        if people[image['id']] and all(
            a['num_keypoints'] >= 8 and a['area'] >= least and not a['iscrowd']
            for a in people[image['id']]
        ):
            chosen.append(image)
    chosen.sort(key=lambda image: -len(people[image['id']]))
    data['images'] = chosen[:IMAGES]
    data['annotations'] = [a for image in chosen[:IMAGES] for a in people[image['id']]]
    (out / 'people.json').write_text(json.dumps(data))


def overfit_config(root: Path, images: Path, out: Path, sparse, dense) -> Config:
    """Return the recommended config with two narrow stacks, small inputs and no augmentation."""
    cfg = Config.fromfile(root / 'configs' / 'cluster_hourglass4_recommended_512x512.py')
    codec = dict(
        cfg.codec,
        input_size=(SIZE, SIZE),
        heatmap_size=(SIZE // 4, SIZE // 4),
        clusters=sparse[-1],
        score_threshold=0.3,
        # the offsets of several joints fill the gap between people
        tag_threshold=4.0 if sparse[-1] == 17 else 1.0,
    )
    clusters = dict(sparse_clusters=sparse, dense_clusters=dense)
    cfg.model.backbone.update(
        depth=3,
        channels=48,
        growth=48,
        stem_channels=16,
        norm_cfg=dict(type='GN', num_groups=8),
        **clusters,
    )
    cfg.model.head.update(decoder=codec, **clusters)
    cfg.model.head.loss.update(tag_weight=0.04, cluster_reduction='mean')
    affine = dict(
        type='BottomupRandomAffine',
        input_size=codec['input_size'],
        scale_type='long',
        shift_prob=0.0,
        scale_prob=0.0,
        rotate_prob=0.0,
    )
    resize = dict(type='BottomupResize', input_size=codec['input_size'])
    load, _, pack = cfg.val_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [
        load,
        affine,
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]
    cfg.val_dataloader.dataset.pipeline = [load, resize, pack]
    cfg.train_dataloader.sampler.samples = None
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=None,
            ann_file=str(out / 'people.json'),
            data_prefix=dict(img=str(images)),
        )
    cfg.test_dataloader = cfg.val_dataloader
    cfg.model.test_cfg.flip_test = False  # no flips in training either
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = str(out / 'people.json')
    cfg.train_cfg.update(max_epochs=EPOCHS, val_interval=EPOCHS)
    cfg.optim_wrapper.optimizer.lr = 2e-3
    cfg.param_scheduler = [
        dict(type='LinearLR', begin=0, end=20, start_factor=0.01, by_epoch=False),
        dict(type='CosineAnnealingLR', T_max=EPOCHS, by_epoch=True),
    ]
    cfg.default_hooks.checkpoint.interval = EPOCHS
    cfg.default_hooks.logger.interval = 50
    cfg.work_dir = str(out / 'work')
    return cfg


@pytest.mark.long
@pytest.mark.parametrize(
    'sparse, dense, least',
    [
        ((5, 17), (1, 3), 0.86),  # decoded without offsets
        ((5, 5), (1, 3), 0.73),  # only the offset distinguishes joints
    ],
    ids=['17 clusters', '5 clusters'],
)
def test_learns_twenty_real_images(root, shared_data, tmp_path, sparse, dense, least):
    folder = shared_data / 'coco-real'
    write_subset(folder, tmp_path)
    cfg = overfit_config(root, folder / 'images', tmp_path, sparse, dense)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.message_hub.get_scalar('val/coco/AP').current() >= least
