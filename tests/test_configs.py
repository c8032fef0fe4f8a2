# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Every config loads, builds from scratch, and its model, codec and pipelines fit together."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, HOOKS, KEYPOINT_CODECS, METRICS, TRANSFORMS

from mmpose_ext.apps.complexity.counting import complexity_of_config

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts and not path.name.startswith('detector_')  # mmdet's
)


@pytest.mark.parametrize('config', CONFIGS)
def test_config_is_whole(config):
    complexity, input_size = complexity_of_config(str(ROOT / config))
    assert complexity.params > 0
    init_default_scope('mmpose')
    cfg = Config.fromfile(ROOT / config)
    codec = KEYPOINT_CODECS.build(cfg.codec)
    assert tuple(codec.input_size) == input_size
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        assert loader.persistent_workers  # as mmpose's own configs
        for dataset in loader.dataset.get('datasets', [loader.dataset]):
            assert DATASETS.get(dataset.type) is not None
            assert dataset.data_mode == cfg.data_mode  # at the top: for mmpose's inferencer
            for step in dataset.pipeline:
                TRANSFORMS.build(step)
    assert cfg.auto_scale_lr.base_batch_size > 0  # for --auto-scale-lr
    assert cfg.dataset_type == cfg.test_dataloader.dataset.type
    # in a folder `body`, so that mmpose's inferencer takes its detector of persons by default
    assert '.datasets.body.' in DATASETS.get(cfg.dataset_type).__module__
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
            assert METRICS.get(metric.type) is not None
    for hook in [*cfg.default_hooks.values(), *cfg.custom_hooks]:
        assert HOOKS.get(hook.type) is not None
    assert cfg.default_hooks.checkpoint.type == 'SafeCheckpointHook'
