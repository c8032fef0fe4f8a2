# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's inferencer with batches of people or images, for top-down and bottom-up models."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmpose.structures import PoseDataSample
from torch import nn

from mmpose_ext.apps.shared.batches import BATCH_SIZE
from mmpose_ext.apps.shared.configs import building
from mmpose_ext.apps.shared.data_sets import first_with_pipeline
from mmpose_ext.apps.shared.devices import check_device
from mmpose_ext.apps.shared.inferencers import PseudoCollateMixin
from mmpose_ext.apps.shared.model_checks import default_scope, load_config, require_checkpoint_of
from mmpose_ext.engine.checkpoint_loading import safely_loading
from mmpose_ext.utils.quiet import quiet_imports
from mmpose_ext.utils.sequences import zip_equal

with quiet_imports():
    from mmpose.apis import Pose2DInferencer
    from mmpose.visualization import PoseLocalVisualizer


class PoseInferencer(PseudoCollateMixin, Pose2DInferencer):
    """mmpose's ``Pose2DInferencer`` for a config and its checkpoint.

    Unlike mmpose's inferencer, it downloads nothing, batches people over images, finds nobody in an
    image without boxes (mmpose's takes the whole image as one box), and needs no ``data_mode`` or
    ``dataset_type`` at the top level of the config.

    Args:
        config (str | os.PathLike | Config): An mmpose config.
        checkpoint (str | os.PathLike): Its checkpoint; only its weights are loaded.
        device (str, optional): Device of the model. Defaults to a GPU if there is one.
        options (dict, optional): Merged into the config, as ``--cfg-options``.

    Attributes:
        data_mode (str): ``'topdown'`` or ``'bottomup'``.

    Raises:
        CheckpointMismatchError: If the checkpoint belongs to another model.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike,
        device: str | None = None,
        options: dict | None = None,
    ) -> None:
        check_device(device)
        cfg = load_config(config, options)
        self.data_mode = cfg.data_mode = _data_mode(cfg)
        part = f'the model or the pipeline of config {cfg.filename}'
        with default_scope('mmpose'), safely_loading(), building(part):
            super().__init__(cfg, os.fspath(checkpoint), device)

    def _init_detector(self, **kwargs: Any) -> None:
        self.detector = None  # predict() gets the boxes

    def _init_pipeline(self, cfg: Config) -> Callable:
        return Compose(_test_dataset(cfg).pipeline)

    def _init_visualizer(self, cfg: Config) -> PoseLocalVisualizer:
        """Return the config's visualizer, or mmpose's if it has none, without file backends."""
        cfg.visualizer = dict(cfg.get('visualizer') or dict(type='PoseLocalVisualizer'))
        cfg.visualizer.pop('vis_backends', None)
        return super()._init_visualizer(cfg)

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict, cfg: Config) -> None:
        require_checkpoint_of(model, checkpoint, cfg)
        super()._load_weights_to_model(model, checkpoint, cfg)
        if model.dataset_meta is None:
            raise ValueError(
                f'neither the checkpoint nor config {cfg.filename} defines the keypoints: set '
                "train_dataloader.dataset.metainfo=dict(from_file='configs/_base_/datasets/...')"
            )

    def predict(
        self,
        images: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray] | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> list[list[PoseDataSample]]:
        """Predict the people of some images.

        Args:
            images (Sequence[np.ndarray]): (H, W, 3) uint8 each, BGR.
            boxes (Sequence[np.ndarray], optional): For a top-down model, (N, 5) per image: x1, y1,
                x2, y2 in its pixels and the score.
            batch_size (int): Number of people (top-down) or images (bottom-up) per batch. Defaults
                to 8.

        Returns:
            list: For each image its samples: one per box (top-down), or one with all people
            (bottom-up), with ``pred_instances`` in the image's pixels.

        Raises:
            ValueError: If a top-down model gets no boxes or a bottom-up model gets some.
        """
        if (self.data_mode == 'topdown') != (boxes is not None):
            needs = 'needs boxes' if boxes is None else 'takes no boxes'
            raise ValueError(f'a {self.data_mode} model {needs}')
        infos, owners = [], []
        for index, image in enumerate(images):
            info = dict(self.model.dataset_meta, img=image, img_path=None, img_id=index)
            if boxes is None:
                infos.append(dict(info, id=[]))
                owners.append(index)
                continue
            for number, box in enumerate(np.asarray(boxes[index], np.float32).reshape(-1, 5)):
                infos.append(dict(info, id=number, bbox=box[None, :4], bbox_score=box[4:]))
                owners.append(index)
        people: list[list[PoseDataSample]] = [[] for _ in images]
        with default_scope('mmpose'):
            for start in range(0, len(infos), batch_size):
                batch = [self.pipeline(info) for info in infos[start : start + batch_size]]
                samples = self._forward_by_shape(batch)
                for owner, sample in zip(owners[start:], samples):
                    people[owner].append(sample)
        return people

    def _forward_by_shape(self, batch: list[dict]) -> list[PoseDataSample]:
        """Forward inputs of equal size together, without padding to another's size."""
        groups: dict[tuple, list[int]] = {}
        for index, item in enumerate(batch):
            inputs = item['inputs']
            scales = [inputs] if isinstance(inputs, torch.Tensor) else inputs
            size = [tuple(scale.shape) for scale in scales]
            if self.data_mode == 'bottomup':  # heads scale maps to the first image's
                size.append(item['data_samples'].metainfo.get('img_shape'))
            groups.setdefault(tuple(size), []).append(index)
        samples: list[PoseDataSample | None] = [None] * len(batch)
        for members in groups.values():
            results = self.forward(
                self.collate_fn([batch[index] for index in members]), merge_results=False
            )
            for index, sample in zip_equal(members, results):
                samples[index] = sample
        return samples


def _test_dataset(cfg: Config) -> Config:
    """Return the test data set's config, or the first of several."""
    dataset = first_with_pipeline(cfg.test_dataloader.dataset)
    if dataset is None:
        raise ValueError(f'config {cfg.filename} has no test_dataloader.dataset.pipeline')
    return dataset


def _data_mode(cfg: Config) -> str:
    """Return whether the config tests single people or whole images."""
    told = cfg.get('data_mode') or _test_dataset(cfg).get('data_mode')
    if told is None:
        told = 'bottomup' if str(cfg.model.type).startswith('Bottomup') else 'topdown'
    return told
