# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The demo configs with weights that find people, and a picture with colored areas."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.registry import MODELS
from small_models import enliven, give_clear_peaks

import mmpose_ext  # noqa: F401


@pytest.fixture(scope='session')
def picture(tmp_path_factory) -> Path:
    """Return the path of a picture of 160 x 120 pixels."""
    path = tmp_path_factory.mktemp('picture') / 'picture.png'
    areas = np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(areas, (160, 120)))
    return path


@pytest.fixture(scope='session')
def demo_model(root, tmp_path_factory):
    """Return a function that makes ``config`` and ``checkpoint`` for a config of this project."""
    made = {}

    def make(name: str) -> SimpleNamespace:
        if name not in made:
            cfg = Config.fromfile(root / name)
            init_default_scope('mmpose')
            torch.manual_seed(0)
            model = MODELS.build(cfg.model)
            if cfg.data_mode == 'topdown':
                give_clear_peaks(model, cfg.codec.input_size)
            else:
                enliven(model)
            path = tmp_path_factory.mktemp('demo_model') / 'model.pth'
            meta = dict(dataset_meta=dataset_meta_from_config(cfg))
            torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
            made[name] = SimpleNamespace(config=str(root / name), checkpoint=str(path))
        return made[name]

    return make
