# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The top-down configs train with the papers' batch, augmentation and summed losses."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

import mmpose_ext  # noqa: F401 (registers everything)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
FILES = [
    path
    for pattern in ('attention', 'simplebaseline', 'clnet', 'frsbn', 'hourglass')
    for folder in (CONFIGS, CONFIGS / 'ablation')
    for path in sorted(folder.glob(f'{pattern}_*.py'))
]


def steps(cfg, kind):
    dataset = cfg.train_dataloader.dataset
    pipelines = [part.pipeline for part in dataset.get('datasets', [dataset])]
    return [[step for step in pipeline if step.type == kind] for pipeline in pipelines]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_batch_and_augmentation(path):
    cfg = Config.fromfile(path)
    hourglass = 'hourglass' in path.stem
    # one GPU trains with the papers' batch (Newell's for his network)
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size
    assert cfg.train_dataloader.batch_size == (6 if hourglass else 128)
    drawn = dict(scale_std=0.3, rotate_std=40, rotate_prob=0.6)
    if 'mpii' in path.stem:  # as SimpleBaseline's public code
        drawn.update(scale_std=0.25, rotate_std=30)
    if hourglass:
        drawn = dict(scale_std=0.25, rotate_std=30, rotate_prob=0.4, log_scale=True)
    for (transform,) in steps(cfg, 'ClippedNormalBBoxTransform'):
        assert transform == dict(drawn, type='ClippedNormalBBoxTransform')
    # only the composite-localization paper names shearing; so its baselines have it too
    sheared = path.stem.startswith('clnet') or path.stem.endswith(('lsp_256x256', 'mpii_256x256'))
    assert {len(found) for found in steps(cfg, 'RandomShear')} == {int(sheared)}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_heatmap_losses_sum_over_the_cells(path):
    head = Config.fromfile(path).model.head
    if head.loss.type == 'KeypointMSELoss':
        width, height = head.decoder.get('heatmap_size', head.decoder.input_size)
        assert head.loss.loss_weight == width * height


def rows_of_table_4():
    names = ['simplebaseline_resnet50_256x192', 'attention_resnet50_256x192']
    rows = [CONFIGS / f'{name}.py' for name in names]
    return [*rows, *sorted((CONFIGS / 'ablation').glob('attention_*.py'))]


def test_rows_of_a_table_start_alike():
    assert len(rows_of_table_4()) == 5
    for path in rows_of_table_4():
        init = Config.fromfile(path).model.backbone.init_cfg
        assert init == dict(type='Pretrained', checkpoint='torchvision://resnet50')


def rows_with_a_start():
    names = [
        'simplebaseline_resnet34_256x192',
        'clnet_resnet50_256x192',
        'frsbn_resnet34_256x192',
        *(f'ablation/frsbn_{row}_resnet34_256x192' for row in ('plain', 'gcb', 'gcb_skip')),
    ]
    return [*rows_of_table_4(), *(CONFIGS / f'{name}.py' for name in names)]


@pytest.mark.parametrize('path', rows_with_a_start(), ids=lambda path: path.stem)
def test_start_from_scratch_is_mmposes(path):
    """The options of docs/attention.md give the initial weights of mmpose's ResNet."""
    init_default_scope('mmpose')
    page = (CONFIGS.parent / 'docs' / 'attention.md').read_text()
    (options,) = re.findall(r'`--cfg-options (model\.backbone\.init_cfg\._.*)`', page)
    options = dict(option.split('=') for option in options.split())
    states = []
    for own in (options, {}):
        cfg = Config.fromfile(path)
        cfg.merge_from_dict({key: value == 'True' or value for key, value in own.items()})
        cfg.model.backbone.depth = 18
        if not own:
            cfg.model.backbone.pop('init_cfg')
        torch.manual_seed(0)
        backbone = MODELS.build(cfg.model.backbone)
        backbone.init_weights()
        states.append(backbone.state_dict())
    torch.testing.assert_close(*states, rtol=0, atol=0)
