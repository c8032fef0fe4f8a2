# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Everything that a checkpoint of mmengine, mmpose or mmdet can hold loads unchanged."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmpose.datasets.datasets.utils import parse_pose_metainfo

import mmpose_ext  # noqa: F401
from mmpose_ext.engine import UnsafeCheckpointError, load_checkpoint_safely

METAINFOS = sorted(Path(mmpose.__file__).parent.glob('.mim/configs/_base_/datasets/*.py'))
NUMPY_MODULES = ['numpy.core.multiarray', 'numpy._core.multiarray']


def write_as(path: Path, content: dict, module: str) -> None:
    """Save with torch, with the module name of numpy 1's or numpy 2's arrays."""
    torch.save(content, path)
    other = next(name for name in NUMPY_MODULES if name != module)
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in parts.items():
            if name.endswith('data.pkl'):
                data = data.replace(f'c{other}\n'.encode(), f'c{module}\n'.encode())
            archive.writestr(name, data)


def assert_same(a: object, b: object, where: str) -> None:
    """Check that ``a`` and ``b`` have the same types, shapes and values, to the last bit."""
    if isinstance(a, (np.dtype, np.generic, np.ndarray)):
        assert isinstance(b, (np.dtype, np.generic, np.ndarray)), where
        assert getattr(a, 'dtype', a) == getattr(b, 'dtype', b), where
        assert np.shape(a) == np.shape(b), where
        assert isinstance(a, np.dtype) or a.tobytes() == b.tobytes(), where
        return
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f'{where}.{key}')
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for index in range(len(a)):
            assert_same(a[index], b[index], f'{where}[{index}]')
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b), where
    elif isinstance(a, HistoryBuffer):
        assert_same(a.data, b.data, where)
        assert a._statistics_methods.keys() == b._statistics_methods.keys()
    else:
        assert a == b, where


@pytest.fixture(params=NUMPY_MODULES)
def read_again(request, tmp_path):
    """Return ``read_again(meta, **parts)``: write a checkpoint, read it safely and compare."""

    def check(meta: object, **parts) -> dict:
        content = dict(state_dict={'weight': torch.ones(2)}, meta=dict(content=meta), **parts)
        write_as(tmp_path / 'file.pth', content, request.param)
        loaded = load_checkpoint_safely(tmp_path / 'file.pth')
        assert_same(content, loaded, 'checkpoint')
        return loaded

    return check


@pytest.mark.parametrize('file', METAINFOS, ids=lambda file: file.stem)
def test_metainfo(read_again, file):
    read_again(parse_pose_metainfo(dict(from_file=str(file))))


def test_all_metainfos_are_found():
    assert len(METAINFOS) >= 50


@pytest.mark.parametrize('code', [code for code in np.typecodes['All'] if code != 'O'])
def test_numpy_values(read_again, code):
    dtype = np.dtype(code + '8[s]' if code in 'mM' else code)
    full = np.arange(6).reshape(2, 3).astype('U3' if code in 'SUV' else dtype).astype(dtype)
    arrays = [full, full.T, full[:0], full[:, :0], full[0, 0], np.zeros((), dtype)]
    read_again([*arrays, np.zeros(2, [('a', dtype)]), full.flat[0], dtype])


PLAIN = [b'', b'a', bytearray(), bytearray(b'a'), set(), {1}, frozenset(), frozenset({'a'})]
PLAIN += [range(3), slice(1, 2), 1j, '', 'é', 10**30, -(10**30), -5, None, True, float('inf'), ()]
PLAIN += [OrderedDict(a=1), Counter([3, 3]), torch.Size([2]), torch.device('cpu'), torch.bfloat16]


@pytest.mark.parametrize('value', PLAIN, ids=repr)
def test_plain_values(read_again, value):
    read_again(value)


def test_part_of_a_config(read_again):
    """A dict in a data set's ``metainfo`` reaches the checkpoint as mmengine's ``ConfigDict``."""
    read_again(Config(dict(metainfo=dict(paper=dict(year=2020), classes=('a',)))).metainfo)


OPTIMIZERS = [
    name
    for name, cls in sorted(vars(torch.optim).items())
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and name != 'Optimizer'
]


@pytest.mark.parametrize('name', OPTIMIZERS)
def test_optimizers(read_again, name):
    layer = torch.nn.Linear(3, 2, bias=name != 'Muon')  # Muon accepts only matrices
    extra = dict(momentum=0.9) if name == 'SGD' else {}  # without it SGD never has a state
    optimizer = getattr(torch.optim, name)(layer.parameters(), lr=0.1, **extra)

    def closure():
        optimizer.zero_grad()
        loss = layer(torch.ones(1, 3)).sum()
        loss.backward()
        for weight in layer.parameters() if name == 'SparseAdam' else ():
            weight.grad = weight.grad.to_sparse()
        return loss

    read_again(None, optimizer=optimizer.state_dict())  # without state
    optimizer.step(closure)
    assert optimizer.state_dict()['state']
    read_again(None, optimizer=optimizer.state_dict())


SCHEDULER_ARGS = dict(
    CosineAnnealing=dict(T_max=5),
    CosineRestart=dict(periods=[3], restart_weights=[1], eta_min=0),
    Exponential=dict(gamma=0.5),
    MultiStep=dict(milestones=[1, 2]),
    OneCycle=dict(total_steps=10, eta_max=0.1),
    OneCycleLR=dict(total_steps=10, eta_max=0.1),
    Step=dict(step_size=2),
)


@pytest.mark.parametrize('name', sorted(PARAM_SCHEDULERS.module_dict))
def test_schedulers(read_again, name):
    kind = re.sub('(LR|Momentum|ParamScheduler)$', '', name)
    args = SCHEDULER_ARGS.get(kind, {})
    if name.endswith('ParamScheduler'):
        args = dict(args, param_name='lr')
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)
    scheduler = PARAM_SCHEDULERS.get(name)(optimizer, **args)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch warns that the optimizer made no step before
        scheduler.step(*([{'loss': 1.0}] if kind == 'ReduceOnPlateau' else []))
    loaded = read_again(None, param_schedulers=[scheduler.state_dict()])
    scheduler.load_state_dict(loaded['param_schedulers'][0])


def test_message_hub(read_again):
    hub = MessageHub.get_instance('contents')
    hub.update_scalar('train/loss', 0.5)
    hub.update_info_dict(
        dict(text='a', none=None, score=np.float64(0.1), count=np.int64(3), path=['a.pth', None])
    )
    hub.update_info('dataset_meta', dict(links=np.zeros((0, 3), np.uint8), sigmas=[]))
    hub._log_scalars['empty'] = HistoryBuffer()
    loaded = read_again(None, message_hub=hub.state_dict())
    MessageHub.get_instance('contents again').load_state_dict(loaded['message_hub'])


def test_amp_scaler(read_again, monkeypatch):
    wrapper_module = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    for function in (f'{wrapper_module}.is_cuda_available', 'torch.cuda.is_available'):
        monkeypatch.setattr(function, lambda: True)  # it refuses CPUs
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    state = AmpOptimWrapper(loss_scale='dynamic', optimizer=optimizer).state_dict()
    assert state['loss_scaler']['scale'] > 1
    read_again(None, optimizer=state)


class Huge:
    """An object that takes ``bytes(2**40)`` of memory when it is unpickled."""

    def __reduce__(self):
        return bytes, (2**40,)


def test_bytes_of_a_size_are_refused(tmp_path):
    torch.save(dict(state_dict={}, note=Huge()), tmp_path / 'huge.pth')
    with pytest.raises(UnsafeCheckpointError, match=r'huge\.pth.*bytes'):
        load_checkpoint_safely(tmp_path / 'huge.pth')


def test_objects_in_arrays_are_refused(tmp_path):
    content = dict(state_dict={}, array=np.array([None, 'a'], dtype=object))
    torch.save(content, tmp_path / 'objects.pth')
    with pytest.raises(
        UnsafeCheckpointError, match=r'objects\.pth.*(ObjectDType|dtype\[object_\])'
    ):
        load_checkpoint_safely(tmp_path / 'objects.pth')


def test_both_numpy_names_are_written(tmp_path):
    for module in NUMPY_MODULES:
        write_as(tmp_path / 'file.pth', dict(a=np.ones(2)), module)
        with zipfile.ZipFile(tmp_path / 'file.pth') as archive:
            name = next(name for name in archive.namelist() if name.endswith('data.pkl'))
            assert f'c{module}\n'.encode() in archive.read(name)
            assert archive.read(name)[:2] == bytes([pickle.PROTO[0], 2])
