# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Person boxes from any mmdet config and checkpoint."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from mmengine.structures import InstanceData
from torch import nn

from mmpose_ext.apps.shared.configs import building
from mmpose_ext.apps.shared.devices import check_device
from mmpose_ext.apps.shared.inferencers import PERSON, PseudoCollateMixin
from mmpose_ext.apps.shared.model_checks import default_scope, load_config, require_checkpoint_of
from mmpose_ext.engine.checkpoint_loading import safely_loading
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.mmdet_import import DATASETS, DetInferencer
from mmpose_ext.utils.sequences import zip_equal


class PersonDetector(PseudoCollateMixin, DetInferencer):
    """mmdet's ``DetInferencer`` for one category, on batches of images.

    Args:
        config (str | os.PathLike | Config): An mmdet config.
        checkpoint (str | os.PathLike): Its checkpoint; only its weights are loaded.
        category (str): Name of the class to keep, as in the checkpoint, or else in the config's
            test data set. Defaults to ``'person'``.
        device (str, optional): Device of the model. Defaults to a GPU if there is one.
        options (dict, optional): Merged into the config, as ``--cfg-options``.

    Raises:
        CheckpointMismatchError: If the checkpoint belongs to another model.
        ArgumentError: If the model has no such category, or there is no such device.
        ValueError: If the config has a type or a setting that does not exist.
    """

    def __init__(
        self,
        config: str | os.PathLike | Config,
        checkpoint: str | os.PathLike,
        category: str = PERSON,
        device: str | None = None,
        options: dict | None = None,
    ) -> None:
        check_device(device)
        cfg = load_config(config, options)
        part = f'the model or the pipeline of config {cfg.filename}'
        with default_scope('mmdet'), safely_loading(), building(part):
            super().__init__(cfg, os.fspath(checkpoint), device, show_progress=False)
        classes = list(self.model.dataset_meta['classes'])
        if category not in classes:
            shown = ', '.join(classes[:10]) + (', ...' if len(classes) > 10 else '')
            raise ArgumentError(
                '{} is {category!r}, but the detector has {shown}',
                'category',
                category=category,
                shown=shown,
            )
        self.category_index = classes.index(category)

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict, cfg: Config) -> None:
        require_checkpoint_of(model, checkpoint, cfg)
        _load_checkpoint_to_model(model, checkpoint)
        # without class names in the checkpoint, mmdet uses COCO's; the config's are better
        meta = checkpoint.get('meta', {}).get('dataset_meta') or self._config_metainfo(cfg)
        model.dataset_meta = {key.lower(): value for key, value in meta.items()}
        if not model.dataset_meta.get('classes'):
            raise ValueError(
                f'neither the checkpoint nor config {cfg.filename} names the classes: set '
                "test_dataloader.dataset.metainfo=dict(classes=('person', ...))"
            )

    @staticmethod
    def _config_metainfo(cfg: Config) -> dict:
        return DATASETS.build(
            dict(copy.deepcopy(cfg.test_dataloader.dataset), lazy_init=True)
        ).metainfo

    def _init_visualizer(self, cfg: Config) -> None:
        return None

    @torch.no_grad()
    def boxes(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Detect in one batch, or in one batch per size of the resized images.

        Args:
            images (Sequence[np.ndarray]): B images, (H, W, 3) uint8, BGR.

        Returns:
            list[np.ndarray]: (N, 5) float32 per image: x1, y1, x2, y2 in its pixels and the score,
            best first.
        """
        found: list[np.ndarray | None] = [None] * len(images)
        with default_scope('mmdet'):
            data = [self.pipeline(image) for image in images]
            shapes = [tuple(item['inputs'].shape) for item in data]
            for shape in dict.fromkeys(shapes):  # avoid padding to another image's size
                members = [index for index, other in enumerate(shapes) if other == shape]
                batch = self.collate_fn([data[index] for index in members])
                for index, sample in zip_equal(members, self.model.test_step(batch)):
                    found[index] = self._people(sample.pred_instances)
        return found

    def _people(self, instances: InstanceData) -> np.ndarray:
        instances = instances[instances.labels == self.category_index]
        found = torch.cat((instances.bboxes, instances.scores[:, None]), dim=1)
        found = found[found[:, 4].argsort(descending=True, stable=True)]
        return found.float().cpu().numpy()
