# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A contestant's training samples, made in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmpose.registry import KEYPOINT_CODECS, TRANSFORMS
from mmpose.structures import PoseDataSample

from .contestants import Contestant
from .people import STANDING, standing_people, uniform_people


def make_people(
    contestant: Contestant, batch: int, people: int, keypoints: int, seed: int = 0
) -> np.ndarray:
    """Keypoints (B, N, K, 2) of a batch: N is ``people`` for whole images, else 1.

    Bottom-up people of COCO's 17 keypoints stand; else keypoints lie anywhere.
    """
    rng = np.random.default_rng(seed)
    size = contestant.input_size
    if contestant.is_bottomup and keypoints == len(STANDING):
        return np.stack([standing_people(size, people, rng) for _ in range(batch)])
    number = people if contestant.is_bottomup else 1
    return np.stack([uniform_people(size, number, keypoints, rng) for _ in range(batch)])


def person_masks(codec_cfg: dict, points: np.ndarray) -> dict[str, np.ndarray]:
    """The images that a codec needs besides keypoints, as ``PersonMasks`` would return them.

    Args:
        codec_cfg (dict): Config of any codec.
        points (np.ndarray): (N, K, 2).

    Returns:
        dict[str, np.ndarray]: ``instance_map`` and ``loss_mask``, (h, w) uint8, where the codec
        takes them.
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
    """The codec, drawing in the worker."""
    return KEYPOINT_CODECS.build({k: v for k, v in codec_cfg.items() if k != 'draw_on_device'})


def make_samples(contestant: Contestant, points: np.ndarray) -> list[PoseDataSample]:
    """The batch that the pipeline's steps from GenerateTarget on make of keypoints.

    Args:
        contestant (Contestant): Whose pipeline.
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
            warp_mat=np.eye(2, 3),  # BottomupGetHeatmapMask cannot do without
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
    """Pack what mmpose's associative-embedding head asks for and its codec's tables leave out."""
    labels = sample.gt_instance_labels
    if 'keypoint_indices' in encoded and 'keypoint_indices' not in labels:
        labels.keypoint_indices = torch.as_tensor(encoded['keypoint_indices'])
    if 'heatmap_mask' in encoded and 'heatmap_mask' not in sample.gt_fields:
        sample.gt_fields.set_field(torch.as_tensor(encoded['heatmap_mask']), 'heatmap_mask')
