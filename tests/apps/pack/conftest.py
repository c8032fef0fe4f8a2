# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A config over a small set of generated images."""

import json

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope

IMAGES = 70  # three batches


@pytest.fixture(autouse=True)
def _mmpose_scope():
    with DefaultScope.overwrite_default_scope('mmpose'):
        yield


@pytest.fixture
def config(tmp_path):
    """Write a config file and its training set next to it; half of the people are large."""
    rng = np.random.default_rng(0)
    (tmp_path / 'images').mkdir()
    images, annotations = [], []
    for number in range(1, IMAGES + 1):
        noise = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        picture = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / 'images' / f'{number}.jpg'), picture)
        images.append(dict(id=number, file_name=f'{number}.jpg', width=160, height=120))
        x, y, w, h = [(50, 40, 24, 32), (10, 5, 120, 110)][number % 2]
        points = np.full((17, 3), 2.0)
        points[:, :2] = rng.uniform((x, y), (x + w, y + h), (17, 2)).round(1)
        annotations.append(
            dict(
                id=1000 + number, image_id=number, category_id=1, bbox=[x, y, w, h], iscrowd=0,
                area=w * h / 2.0, num_keypoints=17, keypoints=points.ravel().tolist(),
            )
        )  # fmt: skip
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
    (tmp_path / 'people.json').write_text(json.dumps(content))
    file = tmp_path / 'config.py'
    file.write_text(
        f"""
codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
pipeline = [
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'), dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'), dict(type='TopdownAffine', input_size=(48, 64)),
    dict(type='GenerateTarget', encoder=codec), dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(
    type='CocoDataset', data_root='{tmp_path}', ann_file='people.json',
    data_prefix=dict(img='images/'), pipeline=pipeline))
"""
    )
    return file
