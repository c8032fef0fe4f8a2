# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Batches in two pieces of memory, normalised as a whole on the device."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import DataLoader

from mmpose_ext.datasets.fast import SampleBatch, collate_samples


@MODELS.register_module()
class FastPoseDataPreprocessor(PoseDataPreprocessor):
    """mmpose's ``PoseDataPreprocessor`` for the batches of :func:`.collate_samples`.

    mmpose's converts each image by itself, and its index of the channels makes a GPU wait for each.
    It copies ``data_samples`` with all their meta information. Here the bytes of a batch are copied
    once, and its images are converted together. Other batches are mmpose's.

    Args:
        **kwargs: As for ``PoseDataPreprocessor``.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move to the device, normalise and pad.

        Args:
            data (dict): ``inputs`` (B, 3, h, w) uint8 and ``data_samples``.
            training (bool): Whether to apply ``batch_augments``. Defaults to False.

        Returns:
            dict: ``inputs``, (B, 3, H, W) float32, and ``data_samples``, a list.
        """
        samples = data['data_samples']
        if not isinstance(samples, SampleBatch):
            return super().forward(data, training)
        samples = samples.to(self.device, non_blocking=self._non_blocking)
        if not isinstance(data['inputs'], Tensor):
            return super().forward(dict(data, data_samples=samples), training)
        images = self._normalised(data['inputs'])
        shape = tuple(images.shape[-2:])
        for sample in samples:
            sample.set_field(shape, 'batch_input_shape', field_type='metainfo')
            sample.set_field(shape, 'pad_shape', field_type='metainfo')
        for augment in (training and self.batch_augments) or ():
            images, samples = augment(images, samples)
        return dict(inputs=images, data_samples=samples)

    def _normalised(self, images: Tensor) -> Tensor:
        images = images.to(self.device, non_blocking=self._non_blocking)
        if self._channel_conversion:
            images = images.flip(1)
        # contiguous, as mmpose's: the model decides on another format
        images = images.to(torch.float32, memory_format=torch.contiguous_format)
        if self._enable_normalize:
            images = images.sub_(self.mean).div_(self.std)
        down, right = (-side % self.pad_size_divisor for side in images.shape[-2:])
        return pad(images, (0, right, 0, down), value=self.pad_value) if down or right else images


def batch_in_one_piece(loader: DataLoader, preprocessor: Any) -> list[str]:
    """Let a data loader collate by :func:`.collate_samples`, where its model can take that.

    Args:
        loader (DataLoader): Of training samples.
        preprocessor (BaseDataPreprocessor): The model's.

    Returns:
        list[str]: What was done.
    """
    collate = loader.collate_fn
    while isinstance(collate, partial) and not collate.args and not collate.keywords:
        collate = collate.func
    if collate is not pseudo_collate or type(preprocessor) is not PoseDataPreprocessor:
        return []
    loader.collate_fn = collate_samples
    preprocessor.__class__ = FastPoseDataPreprocessor
    return ['batches in one piece']
