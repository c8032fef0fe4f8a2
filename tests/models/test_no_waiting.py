# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A training step never waits for the device: it reads nothing back, and shapes are fixed."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS as REGISTRY
from no_waiting import no_waiting, no_waiting_on_gpu
from small_models import MODELS

from mmpose_ext.apps.benchmark.contestants import Contestant
from mmpose_ext.apps.benchmark.samples import make_people, make_samples

# configs that draw targets on the device, like the full configs
ON_DEVICE = (
    'disk_offset',
    'cluster_tag',
    'composite_resnet',
    'composite_hourglass',
    'full_resolution',
)
# all but the hourglass baseline, because mmpose's CPMHead always computes the accuracy
NAMES = [name for name in MODELS if name != 'heatmap_hourglass']


def step_of(name, device='cpu', **settings):
    """Return a model in training mode, and a function that does one step."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        cfg = MODELS[name]()
        decoder = dict(cfg['head']['decoder'])
        if name in ON_DEVICE:
            decoder['draw_on_device'] = True
            cfg['head']['decoder'] = decoder
        cfg.update(settings)
        mode = 'bottomup' if name in ('disk_offset', 'cluster_tag') else 'topdown'
        pipeline = [dict(type='GenerateTarget', encoder=decoder), dict(type='PackPoseInputs')]
        dataset = dict(type='CocoDataset', data_mode=mode)
        contestant = Contestant(name, cfg, pipeline, dataset)
        samples = [
            s.to(device) for s in make_samples(contestant, make_people(contestant, 2, 3, 17))
        ]
        model = REGISTRY.build(cfg).to(device).train()
    w, h = decoder['input_size']
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, h, w))).float().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def step():
        losses = model.loss(images, samples)
        total = sum(v.mean() for k, v in losses.items() if 'loss' in k)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    return step


@pytest.mark.parametrize('name', NAMES)
def test_no_step_waits(name):
    # what FastDataHook leaves out of the training of mmpose's heads
    settings = {} if name in ON_DEVICE else dict(train_cfg=dict(compute_acc=False))
    step = step_of(name, **settings)
    step()  # constants are made once
    with no_waiting():
        step()


@pytest.mark.parametrize(
    'wait',
    [
        lambda t: t.sum().item(),
        lambda t: int(t.sum()),
        lambda t: bool(t.sum() > 0),
        lambda t: t.cpu(),
        lambda t: t.to('cpu'),
        lambda t: t.to(device='cpu'),
        lambda t: t.tolist(),
        lambda t: t[t > 0],
        lambda t: torch.nonzero(t),
    ],
)
def test_waiting_is_noticed(wait):
    with pytest.raises(AssertionError, match='waits for the device'), no_waiting():
        wait(torch.ones(3))


def test_mmposes_accuracy_is_noticed():
    step = step_of('attention')
    with pytest.raises(AssertionError, match='waits for the device'), no_waiting():
        step()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('name', NAMES)
def test_no_step_waits_on_a_gpu(name):
    settings = {} if name in ON_DEVICE else dict(train_cfg=dict(compute_acc=False))
    step = step_of(name, 'cuda:0', **settings)
    step()
    with no_waiting_on_gpu():
        step()
