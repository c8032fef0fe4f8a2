# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Normalize batches that arrive in two pieces of memory as a whole, on the device."""

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

from mmpose_ext.datasets.fast import (
    SampleBatch,
    SourceImages,
    collate_samples,
    prepare_in_batches,
)


@MODELS.register_module()
class FastPoseDataPreprocessor(PoseDataPreprocessor):
    """mmpose's ``PoseDataPreprocessor`` for the batches of :func:`.collate_samples`.

    mmpose's own preprocessor converts the images one by one, and its index of the channels makes a
    GPU wait for each. It copies ``data_samples`` with all their meta information. This class copies
    the bytes of a batch once and converts its images together. It passes other batches to mmpose's
    method.

    Args:
        **kwargs: See ``PoseDataPreprocessor``.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move a batch to the device, normalize the images and pad them.

        Args:
            data (dict): A batch with ``inputs``, (B, 3, h, w) uint8 or :class:`.SourceImages`, and
                ``data_samples``.
            training (bool): Whether to apply ``batch_augments``. Defaults to False.

        Returns:
            dict: ``inputs``, (B, 3, H, W) float32, and ``data_samples``, a list.
        """
        samples = data['data_samples']
        if not isinstance(samples, SampleBatch):
            return super().forward(data, training)
        samples = samples.to(self.device, non_blocking=self._non_blocking)
        inputs = data['inputs']
        if isinstance(inputs, SourceImages):
            inputs = inputs.warp(self.device, self._non_blocking)
        if not isinstance(inputs, Tensor):
            return super().forward(dict(data, data_samples=samples), training)
        images = self._normalized(inputs)
        shape = tuple(images.shape[-2:])
        for sample in samples:
            sample.set_field(shape, 'batch_input_shape', field_type='metainfo')
            sample.set_field(shape, 'pad_shape', field_type='metainfo')
        for augment in (training and self.batch_augments) or ():
            images, samples = augment(images, samples)
        return dict(inputs=images, data_samples=samples)

    def _normalized(self, images: Tensor) -> Tensor:
        images = images.to(self.device, non_blocking=self._non_blocking)
        if self._channel_conversion:
            images = images.flip(1)
        # contiguous, as in mmpose; the model decides about other formats
        images = images.to(torch.float32, memory_format=torch.contiguous_format)
        if self._enable_normalize:
            images = images.sub_(self.mean).div_(self.std)
        down, right = (-side % self.pad_size_divisor for side in images.shape[-2:])
        return pad(images, (0, right, 0, down), value=self.pad_value) if down or right else images


def batch_in_one_piece(
    loader: DataLoader, preprocessor: Any, warp_on_device: bool = False
) -> list[str]:
    """Make a data loader use :func:`.collate_samples`, if its model accepts such batches.

    Args:
        loader (DataLoader): Data loader of training samples; changed in place.
        preprocessor (BaseDataPreprocessor): The model's preprocessor; changed in place.
        warp_on_device (bool): Whether the device warps whole images. Defaults to False.

    Returns:
        list[str]: An entry for the log if the loader was changed, else empty.
    """
    collate = loader.collate_fn
    while isinstance(collate, partial) and not collate.args and not collate.keywords:
        collate = collate.func
    kinds = PoseDataPreprocessor, FastPoseDataPreprocessor
    if collate not in (pseudo_collate, collate_samples) or type(preprocessor) not in kinds:
        return []
    loader.collate_fn = collate_samples
    preprocessor.__class__ = FastPoseDataPreprocessor
    whole = prepare_in_batches(loader.dataset, warp_on_device)
    return ['batches in one piece', *([whole] if whole else [])]
