# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The unpickler refuses what torch's own refuses, in files of both formats."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from checkpoint_files import write_legacy, write_zip
from mmengine.logging import HistoryBuffer

from mmpose_ext.engine import UnsafeCheckpointError, load_checkpoint_safely
from mmpose_ext.engine.checkpoint_loading import allowed_classes
from mmpose_ext.engine.restricted_loading import restricted_pickle
from mmpose_ext.engine.restricted_unpickler import NotAllowedError


def load(data: bytes) -> object:
    unpickler = restricted_pickle(allowed_classes()).Unpickler
    return unpickler(io.BytesIO(data), encoding='utf-8').load()


FOLDER = 'code_was_run'
# Each makes a folder, or reaches what makes one, by a different instruction of pickle.
ATTACKS = {
    'reduce': b'cos\nmkdir\n(X\x0c\x00\x00\x00code_was_runtR.',
    'reduce, protocol 0': b"cposix\nmkdir\n(S'code_was_run'\ntR.",
    'inst': b"(S'code_was_run'\nios\nmkdir\n.",
    'obj': b"(cos\nmkdir\nS'code_was_run'\no.",
    'stack global': b'\x80\x04\x8c\x02os\x8c\x05mkdir\x93(\x8c\x0ccode_was_runtR.',
    'newobj': b'\x80\x02cos\nmkdir\n(U\x0ccode_was_runt\x81.',
    'newobj_ex': b'\x80\x04\x8c\x02os\x8c\x05mkdir\x93)}\x92.',
    'getattr of a module': b'c__builtin__\ngetattr\n(cnumpy\nndarray\nX\x06\x00\x00\x00tofiletR.',
    'getattr, python 3': b'cbuiltins\ngetattr\n(cmmengine.logging.history_buffer\nHistoryBuffer\n'
    b'X\x07\x00\x00\x00__new__tR.',
    'a constructor without checks': b'ctorch.sparse\nFloatTensor\n)R.',
    'another one': b'ctorch._utils\n_rebuild_nested_tensor\n)R.',
    'memory of any size': b'c__builtin__\nbytearray\n(I10\ntR.',
    'eval': b'c__builtin__\neval\n(X\x04\x00\x00\x001 + tR.',
    'codec that is imported': b'c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.',
    'bytes of any size': b'c__builtin__\nbytes\n(I10\ntR.',
    'state of a class': b'cmmengine.logging.history_buffer\nHistoryBuffer\n}X\x03\x00\x00\x00min'
    b'K\x01sb.',
    'state of a function': b'ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__K\x01sb.',
    'calling a method that was reached': b'cbuiltins\ngetattr\n(cmmengine.logging.history_buffer\n'
    b'HistoryBuffer\nX\x03\x00\x00\x00mintR)R.',
    'appending to a class': b'ccollections\nOrderedDict\nK\x01a.',
    'extending a class': b'ccollections\nOrderedDict\n(K\x01e.',
    'item of a class': b'ccollections\nOrderedDict\nK\x01K\x02s.',
    'items of a class': b'ccollections\nOrderedDict\n(K\x01K\x02u.',
    'adding to a class': b'\x80\x04ccollections\nOrderedDict\n(K\x01\x90.',
    'another persistent object': b'\x80\x02(U\x06moduleK\x01tQ.',
    'persistent name': b'Pmodule\n.',
    'submodule by a dotted name': b'\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.',
}


@pytest.mark.parametrize('name', ATTACKS)
def test_attacks_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotAllowedError):
        load(ATTACKS[name])
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize('write', [write_zip, write_legacy])
@pytest.mark.parametrize('name', ATTACKS)
def test_files_with_attacks_are_refused(name, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write('file.pth', ATTACKS[name])
    with pytest.raises(UnsafeCheckpointError, match='refused and not unpickled') as refusal:
        load_checkpoint_safely('file.pth')
    assert '\n' not in str(refusal.value)
    assert os.listdir(tmp_path) == ['file.pth']


@pytest.mark.parametrize('name', ['reduce', 'reduce, protocol 0', 'inst', 'obj', 'stack global'])
def test_attacks_work_when_unpickled_fully(name, tmp_path, monkeypatch):
    """Otherwise the test above would pass whatever the unpickler did."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(ATTACKS[name])
    assert os.listdir(tmp_path) == [FOLDER]


def test_registered_extensions_are_refused():
    copyreg.add_extension('os', 'mkdir', 200)
    try:
        with pytest.raises(NotAllowedError, match='instruction'):
            load(b'\x80\x02\x82\xc8(U\x0ccode_was_runtR.')
    finally:
        copyreg.remove_extension('os', 'mkdir', 200)


def content() -> dict:
    history = HistoryBuffer()
    history.update(0.5)
    return dict(
        state_dict=OrderedDict(weight=torch.arange(6.0).view(2, 3), half=torch.ones(2).bfloat16()),
        parameter=torch.nn.Parameter(torch.ones(2)),
        arrays=[np.arange(3), np.ones((2, 2), np.float32), np.array(['a', 'bc']), np.float64(0.5)],
        plain=[1, 1 << 80, -2.5, 'text', b'bytes', None, True, (1, 2), {3}, frozenset({4}), 1j],
        device=torch.device('cpu'),
        dtype=torch.float16,
        history=history,
    )


@pytest.mark.parametrize('zipped', [True, False])
def test_checkpoints_are_read_equal(zipped, tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(content(), path, _use_new_zipfile_serialization=zipped)
    found = load_checkpoint_safely(path)
    expected = torch.load(path, weights_only=False)
    assert list(found) == list(expected)
    for name in ('weight', 'half'):
        assert torch.equal(found['state_dict'][name], expected['state_dict'][name])
        assert found['state_dict'][name].dtype == expected['state_dict'][name].dtype
    assert torch.equal(found['parameter'], expected['parameter'])
    for a, b in zip(found['arrays'], expected['arrays']):
        np.testing.assert_array_equal(a, b)
        assert type(a) is type(b) and a.dtype == b.dtype
    assert found['plain'] == expected['plain']
    assert found['device'] == expected['device'] and found['dtype'] == expected['dtype']
    assert found['history'].mean() == 0.5
