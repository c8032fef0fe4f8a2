# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Small networks of each kind, as config and checkpoint files."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.models import build_pose_estimator
from small_models import META, MODELS, PREPROCESSOR, enliven


@pytest.fixture(scope='session')
def small_model(tmp_path_factory):
    """Return a function that makes (config, checkpoint) of a small network of a kind, once."""
    folder = tmp_path_factory.mktemp('small_models')

    def make(kind: str) -> tuple[str, str]:
        config, checkpoint = folder / f'{kind}.py', folder / f'{kind}.pth'
        if not checkpoint.exists():
            model = dict(MODELS[kind](), data_preprocessor=PREPROCESSOR)
            cfg = _config(model)
            cfg.dump(str(config))
            torch.manual_seed(0)
            with DefaultScope.overwrite_default_scope('mmpose'):
                network = build_pose_estimator(cfg.model)
                network.init_weights()
            enliven(network)
            meta = dict(dataset_meta=parse_pose_metainfo(META))
            torch.save(dict(state_dict=network.state_dict(), meta=meta), checkpoint)
        return str(config), str(checkpoint)

    return make


def _config(model: dict) -> Config:
    topdown = model['type'] == 'TopdownPoseEstimator'
    size = model['head']['decoder']['input_size']
    udp = model['head']['decoder']['type'] == 'UDPHeatmap'
    pipeline = [dict(type='LoadImage')]
    if topdown:
        pipeline.append(dict(type='GetBBoxCenterScale'))
        pipeline.append(dict(type='TopdownAffine', input_size=size, use_udp=udp))
    else:
        pipeline.append(dict(type='BottomupResize', input_size=size, size_factor=1))
    pipeline.append(dict(type='PackPoseInputs'))
    dataset = dict(
        type='CocoDataset',
        data_mode='topdown' if topdown else 'bottomup',
        pipeline=pipeline,
        metainfo=META,
    )
    return Config(
        dict(
            default_scope='mmpose',
            custom_imports=dict(imports=['mmpose_ext']),
            model=model,
            test_dataloader=dict(dataset=dataset),
        )
    )
