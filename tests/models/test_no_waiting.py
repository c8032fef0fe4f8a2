# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A training step never waits for the device: it reads nothing back, and shapes are fixed."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS as REGISTRY
from small_models import MODELS
from torch.utils._python_dispatch import TorchDispatchMode

from mmpose_ext.apps.benchmark.contestants import Contestant
from mmpose_ext.apps.benchmark.samples import make_people, make_samples

aten = torch.ops.aten
READS = (
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.is_nonzero.default,
)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
# configs that draw targets on the device, like the full configs
ON_DEVICE = (
    'disk_offset',
    'cluster_tag',
    'composite_resnet',
    'composite_hourglass',
    'full_resolution',
)


class NoWaiting(TorchDispatchMode):
    """Refuses operations that wait for the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in READS, f'{func} waits for the device'
        if func in INDEXING:
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, f'{func} with a mask waits for the device'
        return func(*args, **(kwargs or {}))


@pytest.fixture
def _no_copies(monkeypatch):
    def refuse(name):
        def call(self, *args, **kwargs):
            raise AssertionError(f'Tensor.{name} waits for the device')

        return call

    for name in ('cpu', 'numpy', 'tolist'):
        monkeypatch.setattr(torch.Tensor, name, refuse(name))


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


@pytest.mark.parametrize('name', list(MODELS))
def test_no_step_waits(name, request):
    # what FastDataHook leaves out of the training of mmpose's heads
    settings = {} if name in ON_DEVICE else dict(train_cfg=dict(compute_acc=False))
    step = step_of(name, **settings)
    step()  # constants are made once
    request.getfixturevalue('_no_copies')
    with NoWaiting():
        step()


@pytest.mark.usefixtures('_no_copies')
@pytest.mark.parametrize(
    'wait',
    [
        lambda t: t.sum().item(),
        lambda t: int(t.sum()),
        lambda t: bool(t.sum() > 0),
        lambda t: t.cpu(),
        lambda t: t.tolist(),
        lambda t: t[t > 0],
        lambda t: torch.nonzero(t),
    ],
)
def test_waiting_is_noticed(wait):
    with pytest.raises(AssertionError, match='waits for the device'), NoWaiting():
        wait(torch.ones(3))


def test_mmposes_accuracy_is_noticed(request):
    step = step_of('attention')
    request.getfixturevalue('_no_copies')
    with pytest.raises(AssertionError, match='waits for the device'):
        step()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('name', list(MODELS))
def test_no_step_waits_on_a_gpu(name):
    settings = {} if name in ON_DEVICE else dict(train_cfg=dict(compute_acc=False))
    step = step_of(name, 'cuda:0', **settings)
    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode('default')
