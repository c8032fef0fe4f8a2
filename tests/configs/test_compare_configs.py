# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The configs of the comparison build, and differ only in the method."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import mmpose_ext  # noqa: F401 (registers everything)

FILES = sorted((Path(__file__).resolve().parents[2] / 'configs' / 'compare').glob('*.py'))
OWN = {'model', 'codec', 'train_pipeline', 'cbam'}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_it_runs(path):
    init_default_scope('mmpose')
    cfg = Config.fromfile(path)
    model = MODELS.build(cfg.model).eval()
    with torch.inference_mode():
        model._forward(torch.randn(2, 3, 96, 96))
    head = cfg.model.head
    if 'deconv_out_channels' in head:  # fewer channels than keypoints cannot carry their heatmaps
        assert head.deconv_out_channels[-1] >= head.out_channels
    codec = head.decoder
    # Gaussians of 6 pixels
    if codec.type == 'MSRAHeatmap':
        assert codec.sigma * codec.input_size[0] / codec.heatmap_size[0] == 6
    else:
        assert codec.sigma == 6


def test_only_the_method_differs():
    base, *others = (Config.fromfile(path).to_dict() for path in FILES)
    for other in others:
        assert set(base) - OWN == set(other) - OWN
        for key in set(base) - OWN:
            first, second = base[key], other[key]
            if key == 'train_dataloader':
                first, second = (
                    {**loader, 'dataset': {**loader['dataset'], 'pipeline': None}}
                    for loader in (first, second)
                )
            assert first == second, key
        for one in (base, other):
            pipeline = one['train_dataloader']['dataset']['pipeline']
            assert pipeline[5]['encoder'] == one['model']['head']['decoder']
            assert pipeline[:5] == one['augmentation']
