# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""StrongPose's full configs: training sees people as large as testing shows them."""

import argparse
import re

import numpy as np
import pytest
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmpose.registry import TRANSFORMS

CONFIGS = ['strongpose_resnet101_401x401', 'strongpose_resnet152_401x401']


def step(pipeline, name):
    return next(one for one in pipeline if one['type'] == name)


@pytest.mark.parametrize('name', CONFIGS)
@pytest.mark.parametrize('shape', [(640, 480), (480, 640), (500, 375), (640, 640)])
def test_training_draws_the_scale_of_testing(root, name, shape):
    """The test scale is the median of the draws: half of the images are smaller, half larger."""
    init_default_scope('mmpose')
    np.random.seed(0)
    cfg = Config.fromfile(root / 'configs' / f'{name}.py')
    width, height = shape
    draw = TRANSFORMS.build(step(cfg.train_pipeline, 'BottomupRandomAffine'))
    drawn = []
    for _ in range(200):
        image = np.zeros((height, width, 1), np.uint8)
        warp = draw(dict(img=image, img_shape=(height, width)))['warp_mat']
        drawn.append(np.sqrt(abs(np.linalg.det(warp[:, :2]))))
    resize = TRANSFORMS.build(step(cfg.val_pipeline, 'BottomupResize'))
    sample = dict(img=np.zeros((height, width, 3), np.uint8), img_shape=(height, width))
    tested = resize(dict(sample, ori_shape=(height, width)))['input_scale'][0]
    tested = step(cfg.val_pipeline, 'BottomupResize')['input_size'][0] / tested
    assert tested == pytest.approx(401 / max(shape))
    assert 0.4 < np.mean(np.array(drawn) < tested) < 0.6
    assert min(drawn) > tested / 2 and max(drawn) > 1.5 * tested


def test_command_for_several_scales_changes_what_is_tested(root):
    """The options in docs/strongpose.md reach the pipeline and the model of the test."""
    page = (root / 'docs' / 'strongpose.md').read_text()
    (command,) = re.findall(r'mim test mmpose (\S*strongpose\S*) .*--cfg-options \\\n(.*)\n', page)
    path, options = command
    cfg = Config.fromfile(root / path)
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    cfg.merge_from_dict(
        parser.parse_args(['--cfg-options', *re.findall(r'"(.+?)"', options)]).cfg_options
    )
    resize = step(cfg.test_dataloader.dataset.pipeline, 'BottomupResize')
    assert tuple(resize['input_size']) == (801, 801)
    assert tuple(cfg.model.test_cfg.scales) == (0.5, 0.75, 1.0)
