# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Three small pictures, and small models with random weights that predict on them."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.registry import MODELS

import mmpose_ext  # noqa: F401 (registers everything)

SIZES = ((96, 64), (64, 80), (96, 64))  # w, h
PREPROCESSOR = dict(
    type='PoseDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
)
BACKBONE = dict(type='ResNet', depth=18, base_channels=8)


@pytest.fixture(scope='session')
def pictures(tmp_path_factory) -> SimpleNamespace:
    """Return ``images`` (a folder), ``ann`` and ``detections`` (files) and pictures' ``paths``."""
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir()
    images, annotations, detections = [], [], []
    for number, (w, h) in enumerate(SIZES, 1):
        picture = rng.integers(0, 60, (h, w, 3), dtype=np.uint8)
        cv2.ellipse(picture, (w // 2, h // 2), (w // 6, h // 3), 0, 0, 360, (40, 160, 240), -1)
        cv2.imwrite(str(folder / 'images' / f'{number}.png'), picture)
        images.append(dict(id=100 + number, file_name=f'{number}.png', width=w, height=h))
        keypoints = np.c_[rng.uniform(10, 50, (17, 2)), np.full(17, 2)]
        annotations.append(
            dict(
                id=number,
                image_id=100 + number,
                category_id=1,
                bbox=[8, 6, 50, 48],
                area=1200.0,
                iscrowd=0,
                num_keypoints=17,
                keypoints=keypoints.round(1).ravel().tolist(),
            )
        )
        for score in (0.9, 0.6, 0.2)[: 4 - number]:  # 3, 2, 1 boxes
            box = [*rng.uniform(0, 15, 2), *rng.uniform(30, 50, 2)]
            detections.append(dict(image_id=100 + number, category_id=1, bbox=box, score=score))
    category = dict(id=1, name='person', supercategory='person')
    content = dict(images=images, annotations=annotations, categories=[category])
    (folder / 'ann.json').write_text(json.dumps(content))
    (folder / 'detections.json').write_text(json.dumps(detections))
    return SimpleNamespace(
        images=folder / 'images',
        ann=folder / 'ann.json',
        detections=folder / 'detections.json',
        paths=sorted((folder / 'images').iterdir()),
    )


def settings_on(pictures, mode: str, pipeline: list, **evaluator) -> dict:
    """Return the settings of a test loader and an evaluator on the pictures."""
    dataset = dict(
        type='CocoDataset',
        data_mode=mode,
        ann_file=str(pictures.ann),
        data_prefix=dict(img=str(pictures.images)),
        test_mode=True,
        pipeline=pipeline,
    )
    if mode == 'topdown':
        dataset['bbox_file'] = str(pictures.detections)
    return dict(
        default_scope='mmpose',
        env_cfg=dict(dist_cfg=dict(backend='nccl')),  # mmengine 0.8 has no default
        train_dataloader=dict(dataset=dict(type='CocoDataset')),
        test_dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset,
        ),
        test_evaluator=dict(type='CocoMetric', ann_file=str(pictures.ann), **evaluator),
        test_cfg=dict(),
    )


def set_statistics(model: torch.nn.Module) -> None:
    """Pass noise through batch norm, so that random weights give outputs of a sensible size."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 128, 160).cumsum(2).cumsum(3) / 40, [], mode='tensor')


def save_model(settings: dict, folder: Path, scope: str = 'mmpose') -> SimpleNamespace:
    """Write ``config`` and a ``checkpoint`` of random weights; batch norm gets statistics."""
    folder.mkdir(parents=True, exist_ok=True)
    cfg = Config(settings)
    cfg.dump(folder / 'config.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg.model)
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter)
            if 'rtm_cls' in name and name.endswith('weight'):
                parameter.data[1] = -parameter.data[0]  # a dog instead of a person
        set_statistics(model)
        meta = dict(classes=('person', 'dog'))
        if scope == 'mmpose':
            meta = dataset_meta_from_config(cfg)
    checkpoint = dict(state_dict=model.state_dict(), meta=dict(dataset_meta=meta))
    torch.save(checkpoint, folder / 'model.pth')
    return SimpleNamespace(
        config=folder / 'config.py', checkpoint=folder / 'model.pth', cfg=cfg, folder=folder
    )


@pytest.fixture(scope='session')
def topdown(pictures, tmp_path_factory) -> SimpleNamespace:
    """A top-down model with flip test."""
    codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
    pipeline = [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=codec['input_size']),
        dict(type='PackPoseInputs'),
    ]
    model = dict(
        type='TopdownPoseEstimator',
        data_preprocessor=PREPROCESSOR,
        backbone=BACKBONE,
        head=dict(
            type='HeatmapHead',
            in_channels=64,
            out_channels=17,
            deconv_out_channels=(16, 16, 16),
            deconv_kernel_sizes=(4, 4, 4),
            loss=dict(type='KeypointMSELoss'),
            decoder=codec,
        ),
        test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
    )
    settings = dict(model=model, **settings_on(pictures, 'topdown', pipeline))
    return save_model(settings, tmp_path_factory.mktemp('topdown'))


@pytest.fixture(scope='session')
def bottomup(pictures, tmp_path_factory) -> SimpleNamespace:
    """An associative-embedding model with flip test, whose inputs are as large as the images."""
    codec = dict(
        type='AssociativeEmbedding',
        input_size=(64, 64),
        heatmap_size=(64, 64),
        sigma=1,
        decode_keypoint_order=list(range(17)),
        decode_topk=5,
        decode_max_instances=5,
        decode_keypoint_thr=-1e9,
    )
    resize = dict(type='BottomupResize', input_size=(64, 64), size_factor=32, resize_mode='expand')
    names = ('id', 'img_id', 'img_path', 'ori_shape', 'img_shape', 'flip_indices')
    names += ('input_size', 'input_center', 'input_scale')
    pipeline = [dict(type='LoadImage'), resize, dict(type='PackPoseInputs', meta_keys=names)]
    model = dict(
        type='BottomupPoseEstimator',
        data_preprocessor=PREPROCESSOR,
        backbone=BACKBONE,
        head=dict(
            type='AssociativeEmbeddingHead',
            in_channels=64,
            num_keypoints=17,
            deconv_out_channels=(16, 16, 16),
            deconv_kernel_sizes=(4, 4, 4),
            keypoint_loss=dict(type='KeypointMSELoss'),
            tag_loss=dict(type='AssociativeEmbeddingLoss'),
            decoder=codec,
        ),
        test_cfg=dict(
            flip_test=True,
            shift_heatmap=False,
            restore_heatmap_size=True,
            align_corners=False,
            multiscale_test=False,
        ),
    )
    rules = dict(nms_mode='none', score_mode='keypoint')
    settings = dict(model=model, **settings_on(pictures, 'bottomup', pipeline, **rules))
    return save_model(settings, tmp_path_factory.mktemp('bottomup'))


@pytest.fixture(scope='session')
def detector(root, tmp_path_factory) -> SimpleNamespace:
    """The demo's detector with classes person and dog, and random weights."""
    from mmpose_ext.utils import mmdet_import  # noqa: F401

    cfg = Config.fromfile(root / 'configs' / 'demo' / 'detector_rtmdet_160x128.py')
    cfg.model.bbox_head.num_classes = 2
    cfg.model.test_cfg.max_per_img = 1000  # keep all: a limit would depend on the last digits
    cfg.test_dataloader.dataset.metainfo = dict(classes=('person', 'dog'))
    return save_model(dict(cfg), tmp_path_factory.mktemp('detector'), 'mmdet')
