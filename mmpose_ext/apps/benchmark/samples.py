# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Make a contestant's training samples in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmpose.registry import TRANSFORMS
from mmpose.structures import PoseDataSample

from mmpose_ext.apps.shared.configs import build_codec

from .contestants import Contestant
from .people import STANDING, standing_people, uniform_people


def make_people(
    contestant: Contestant, batch: int, people: int, keypoints: int, seed: int = 0
) -> np.ndarray:
    """Make the keypoints (B, N, K, 2) of a batch; N is ``people`` for whole images, else 1.

    Bottom-up people with COCO's 17 keypoints stand; other keypoints are anywhere in the input.
    """
    rng = np.random.default_rng(seed)
    size = contestant.input_size
    if contestant.is_bottomup and keypoints == len(STANDING):
        return np.stack([standing_people(size, people, rng) for _ in range(batch)])
    number = people if contestant.is_bottomup else 1
    return np.stack([uniform_people(size, number, keypoints, rng) for _ in range(batch)])


def person_masks(codec_cfg: dict, points: np.ndarray) -> dict[str, np.ndarray]:
    """Return the images that a codec needs in addition to keypoints, like ``PersonMasks``.

    Args:
        codec_cfg (dict): Config of any codec.
        points (np.ndarray): (N, K, 2).

    Returns:
        dict[str, np.ndarray]: ``instance_map`` and ``loss_mask``, (h, w) uint8, if the codec takes
        them.
    """
    codec = build_worker_codec(codec_cfg)
    names = getattr(codec, 'pixel_names', ())
    if 'instance_map' in names:
        drawn = codec.encode(points)
        return dict(
            instance_map=drawn['body_heatmaps'][0].astype(np.uint8),
            loss_mask=drawn['loss_weights'][0].astype(np.uint8),
        )
    return {name: np.ones(codec.heatmap_size[::-1], np.uint8) for name in names}


def build_worker_codec(codec_cfg: dict) -> Any:
    """Build the codec for drawing in the worker."""
    return build_codec({k: v for k, v in codec_cfg.items() if k != 'draw_on_device'})


def make_samples(contestant: Contestant, points: np.ndarray) -> list[PoseDataSample]:
    """Make a batch from keypoints with the pipeline's steps from GenerateTarget on.

    Args:
        contestant (Contestant): The contestant with the pipeline.
        points (np.ndarray): (B, N, K, 2).

    Returns:
        list[PoseDataSample]: B samples.
    """
    types = [str(step['type']).split('.')[-1] for step in contestant.pipeline]
    steps = [TRANSFORMS.build(s) for s in contestant.pipeline[types.index('GenerateTarget') :]]
    w, h = contestant.input_size
    flip_indices = contestant.metainfo['flip_indices']
    samples, encoded = [], {}
    for image in points:
        visible = np.ones(image.shape[:2], np.float32)
        results = dict(
            img=np.zeros((h, w, 3), np.uint8),
            img_shape=(h, w),
            ori_shape=(h, w),
            input_size=(w, h),
            keypoints=image,
            transformed_keypoints=image,
            keypoints_visible=visible,
            dataset_keypoint_weights=visible,
            flip_indices=flip_indices,
            warp_mat=np.eye(2, 3),  # BottomupGetHeatmapMask requires it
            **person_masks(contestant.encoder, image),
        )
        for step in steps:
            if 'data_samples' not in results:
                encoded = dict(results)
            results = step(results)
        _pack_forgotten(results['data_samples'], encoded)
        samples.append(results['data_samples'])
    return samples


def _pack_forgotten(sample: PoseDataSample, encoded: dict) -> None:
    """Pack fields that mmpose's associative-embedding head needs but its codec does not list."""
    labels = sample.gt_instance_labels
    if 'keypoint_indices' in encoded and 'keypoint_indices' not in labels:
        labels.keypoint_indices = torch.as_tensor(encoded['keypoint_indices'])
    if 'heatmap_mask' in encoded and 'heatmap_mask' not in sample.gt_fields:
        sample.gt_fields.set_field(torch.as_tensor(encoded['heatmap_mask']), 'heatmap_mask')
