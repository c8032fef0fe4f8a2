# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The full-resolution network's configs: their size, their cost and their settings."""

import pytest
from mmengine.config import Config

from mmpose_ext.apps.complexity.counting import complexity_of_config

ROWS = [
    *(f'frsbn_resnet{depth}' for depth in (34, 50, 101, 152)),
    *(f'ablation/frsbn_{name}_resnet34' for name in ('plain', 'gcb', 'gcb_skip')),
]


# Table 2; the parameters stay below its 33 M, see docs/full-resolution.md
@pytest.mark.parametrize('size, gflops', [('256x192', 21.3), ('384x288', 48.0)])
def test_table_2(root, size, gflops):
    config = root / 'configs' / f'frsbn_resnet34_{size}.py'
    complexity, _ = complexity_of_config(str(config))
    assert complexity.conv_gmacs() == pytest.approx(gflops, rel=0.02)
    assert complexity.params / 1e6 == pytest.approx(27.99, abs=0.01)


# each part adds cost: Table 1's rows, and the two decoders beyond SimpleBaseline's
def test_table_1_rows_grow(root):
    names = ('simplebaseline', 'plain', 'gcb', 'gcb_skip')
    configs = ['simplebaseline_resnet34'] + [f'ablation/frsbn_{n}_resnet34' for n in names[1:]]
    params = [
        complexity_of_config(str(root / 'configs' / f'{config}_256x192.py'))[0].params
        for config in configs
    ]
    assert params == sorted(set(params))
    assert params[0] / 1e6 == pytest.approx(25.5, abs=0.05)
    assert (params[1] - params[0]) / 1e6 == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize('row', [f'{row}_256x192' for row in ROWS])
def test_configs_of_256x192(root, row):
    check_config(Config.fromfile(root / 'configs' / f'{row}.py'), (192, 256), 8)


@pytest.mark.parametrize('row', [f'{row}_384x288' for row in ROWS[:4]])
def test_configs_of_384x288(root, row):
    check_config(Config.fromfile(root / 'configs' / f'{row}.py'), (288, 384), 12)


def check_config(cfg, size, sigma):
    codec = dict(type='FullResolutionHeatmap', input_size=size, sigma=sigma, draw_on_device=True)
    encoder = cfg.train_dataloader.dataset.pipeline[-2].encoder
    assert dict(encoder) == dict(cfg.model.head.decoder) == codec
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        affine = [t for t in loader.dataset.pipeline if t['type'] == 'TopdownAffine']
        assert [t.input_size for t in affine] == [size]
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=1e-3)
    assert cfg.train_cfg.max_epochs == 140
    assert cfg.param_scheduler[1].milestones == [90, 120]
    assert cfg.model.test_cfg == dict(flip_test=True, shift_heatmap=False)
    assert (
        cfg.model.backbone.init_cfg.checkpoint == f'torchvision://resnet{cfg.model.backbone.depth}'
    )
