# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""No full config has gradients so small that Adam's or RMSprop's epsilon consumes the steps.

A tensor's step is less than half of the intended step if the root of the second moment is below
epsilon. With a loss that is a mean over many cells, this happens to most of a network's tensors.
"""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import MODELS

STEPS = 3


def make_batch(cfg, rng):
    """Make gray noise with a square of the keypoint's own color at each random keypoint.

    There are two people, each in an image or both in one.
    """
    width, height = cfg.codec.input_size
    number, people = (2, 1) if cfg.data_mode == 'topdown' else (1, 2)
    num_keypoints = cfg.model.head.get('out_channels', 17)
    inputs, samples = [], []
    for _ in range(number):
        keypoints = rng.uniform(0.1, 0.9, (people, num_keypoints, 2)) * [width, height]
        image = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
        for index, (x, y) in enumerate(keypoints.reshape(-1, 2).astype(int)):
            colour = [index % num_keypoints * step % 255 for step in (37, 91, 151)]
            image[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = colour
        results = dict(
            img=image,
            transformed_keypoints=keypoints,
            keypoints_visible=np.ones((people, num_keypoints), np.float32),
            dataset_keypoint_weights=np.ones((people, num_keypoints), np.float32),
        )
        packed = PackPoseInputs()(GenerateTarget(encoder=cfg.codec)(results))
        inputs.append(packed['inputs'])
        samples.append(packed['data_samples'])
    return dict(inputs=inputs, data_samples=samples)


def slowed_share(cfg, steps=STEPS):
    """Train some steps from scratch; return the share of tensors that epsilon slows to a half."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    if 'init_cfg' in cfg.model.backbone:
        cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    settings = dict(cfg.optim_wrapper.optimizer)
    optimizer = getattr(torch.optim, settings.pop('type'))(model.parameters(), **settings)
    for _ in range(steps):
        data = model.data_preprocessor(make_batch(cfg, rng), True)
        losses = model.loss(data['inputs'], data['data_samples'])
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if name.startswith('loss')).backward()
        optimizer.step()
    (group,) = optimizer.param_groups
    adam = isinstance(optimizer, torch.optim.Adam)
    name, decay = ('exp_avg_sq', group['betas'][1]) if adam else ('square_avg', group['alpha'])
    correction = 1 - decay**steps
    moments = [(state[name] / correction).sqrt() for state in optimizer.state.values()]
    return float(np.mean([float(moment.median()) < group['eps'] for moment in moments]))


def load(root, name):
    init_default_scope('mmpose')
    return Config.fromfile(root / 'configs' / f'{name}.py')


@pytest.mark.long
@pytest.mark.parametrize(
    'name',
    [
        'simplebaseline_resnet34_256x192',
        'simplebaseline_resnet50_256x192',
        'attention_resnet50_256x192',
        'clnet_resnet50_256x192',
        'clnet_hourglass8_256x192',
        'ablation/hourglass8_lsp_256x256',
        'frsbn_resnet34_256x192',
        'ablation/frsbn_plain_resnet34_256x192',
        'ablation/frsbn_gcb_resnet34_256x192',
        'ablation/frsbn_gcb_skip_resnet34_256x192',
        'cluster_hourglass4_narrow_512x512',
        'cluster_hourglass4_recommended_512x512',
    ],
)
def test_no_full_config_is_slowed(root, name):
    # the softmax of 7 context blocks hides their mask's bias, and at first its weight: 14 of 181
    assert slowed_share(load(root, name)) < 0.1


@pytest.mark.long
@pytest.mark.parametrize(
    'name, share',
    [('associative_embedding_hourglass4_512x512', 0.26), ('cluster_hourglass4_512x512', 0.18)],
)
def test_rows_with_the_printed_mean_are_slowed_as_the_docs_say(root, name, share):
    """In these rows, Eq. 1 is a mean and the hourglass has no norm (docs/cluster-wise.md)."""
    assert slowed_share(load(root, name)) == pytest.approx(share, abs=0.05)


@pytest.mark.long
def test_a_mean_over_the_cells_is_slowed(root):
    """Otherwise the test above would measure nothing."""
    cfg = load(root, 'simplebaseline_resnet34_256x192')
    cfg.model.head.loss.loss_weight = 1.0
    assert slowed_share(cfg) > 0.3
