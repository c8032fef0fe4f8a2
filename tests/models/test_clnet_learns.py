# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The whole CLNet learns the positions of colored dots to a fraction of a cell."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import MODELS

import mmpose_ext  # noqa: F401 (registers everything)

SIZE, FLIP = (64, 96), [1, 0, 2]
CODEC = dict(type='CompositeLocalization', input_size=SIZE, draw_on_device=True)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.float32)


def make_samples(number, seed):
    """Make images with one Gaussian dot per keypoint, and their data samples."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])), -1)
    images, samples = [], []
    for _ in range(number):
        keypoints = rng.uniform(6, (SIZE[0] - 7, SIZE[1] - 7), (3, 2))
        squared = ((grid[None] - keypoints[:, None, None]) ** 2).sum(-1)
        image = (np.exp(-squared / 32)[..., None] * COLORS[:, None, None]).max(0)
        results = dict(
            img=image.astype(np.uint8),
            transformed_keypoints=keypoints[None],
            keypoints_visible=np.ones((1, 3), np.float32),
            dataset_keypoint_weights=np.ones((1, 3), np.float32),
            flip_indices=FLIP,
        )
        packed = PackPoseInputs()(GenerateTarget(encoder=CODEC)(results))
        images.append(packed['inputs'].float() / 64 - 1)
        samples.append(packed['data_samples'])
    return torch.stack(images), samples


def build(loss):
    init_default_scope('mmpose')
    decode_from = 'peak' if loss['type'] == 'PeakOffsetLoss' else 'region'
    model = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=dict(
                type='ResNet',
                depth=18,
                base_channels=8,
                num_stages=3,
                strides=(1, 2, 2),
                dilations=(1, 1, 1),
                out_indices=(2,),
            ),
            head=dict(
                type='CompositeLocalizationHead',
                in_channels=32,
                out_channels=3,
                channels=64,
                mid_channels=16,
                loss=loss,
                logits=loss['type'] == 'BinaryHeatmapOffsetLoss',
                decoder=dict(CODEC, decode_from=decode_from),
            ),
        )
    )
    model.init_weights()
    return model


@pytest.mark.parametrize(
    'loss',
    [
        dict(type='CompositeLocalizationLoss'),
        dict(type='CompositeLocalizationLoss', heatmap_reduction='sum', region='union'),
        pytest.param(dict(type='PeakOffsetLoss', heatmap_reduction='sum'), marks=pytest.mark.long),
        pytest.param(
            dict(type='BinaryHeatmapOffsetLoss', heatmap_reduction='sum'), marks=pytest.mark.long
        ),
    ],
    ids=['paper', 'sum and union', 'peak', 'binary'],
)
def test_finds_dots_in_new_images(loss):
    model = build(loss)
    images, samples = make_samples(256, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for step in range(120):
        index = torch.randperm(256)[:16]
        losses = model.loss(images[index], [samples[i] for i in index])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        optimizer.param_groups[0]['lr'] = 4e-3 * (1 - step / 120)
    images, samples = make_samples(32, seed=1)
    truth = torch.stack([s.gt_instance_labels.target_keypoints for s in samples]).numpy()
    model.eval()
    with torch.no_grad():
        preds = model.head.predict(model.extract_feat(images), samples, {})
    error = np.linalg.norm(np.stack([p.keypoints for p in preds]) - truth, axis=-1)
    assert np.median(error) < 5  # the best cell's center alone errs by 6.2: a cell is 16 px
