# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""An unknown class, an unreadable file and a fault of the libraries give different messages."""

from __future__ import annotations

import os
import re
import threading
import zipfile

import numpy as np
import pytest
import torch

from mmpose_ext.engine import (
    UnloadableCheckpointError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    load_checkpoint_safely,
)
from mmpose_ext.engine.checkpoint_errors import is_complete
from mmpose_ext.engine.checkpoint_loading import allowed_classes
from mmpose_ext.engine.last_checkpoint import is_complete_checkpoint


@pytest.fixture(params=[True, False], ids=['zip', 'before torch 1.6'])
def save(request, tmp_path):
    def save(content) -> str:
        path = tmp_path / 'file.pth'
        torch.save(content, path, _use_new_zipfile_serialization=request.param)
        return str(path)

    return save


WEIGHTS = dict(state_dict=dict(weight=torch.zeros(100)), note=np.arange(3))


def test_whole_file(save):
    path = save(WEIGHTS)
    assert is_complete(path)
    assert load_checkpoint_safely(path)['note'].tolist() == [0, 1, 2]


@pytest.mark.parametrize('error', [AttributeError, TypeError, KeyError, RuntimeError])
def test_fault_of_a_library(save, monkeypatch, error):
    path = save(WEIGHTS)

    def rebuild(*args):
        raise error('module numpy has no such thing')

    monkeypatch.setattr('torch._utils._rebuild_tensor', rebuild)
    with pytest.raises(UnloadableCheckpointError, match=r'file\.pth is complete') as info:
        load_checkpoint_safely(path)
    text = str(info.value)
    assert f'torch {torch.__version__}' in text and f'numpy {np.__version__}' in text
    assert 'no such thing' in text and 'damaged' not in text and '\n' not in text


@pytest.mark.parametrize('share', [0.0, 0.5, 0.98])
def test_file_cut_short(save, share):
    path = save(WEIGHTS)
    os.truncate(path, int(share * os.path.getsize(path)))
    with pytest.raises(UnreadableCheckpointError, match=r'file\.pth cannot be read.*cut short'):
        load_checkpoint_safely(path)


def test_unknown_class(save):
    path = save(dict(state_dict={}, note=threading.Event))
    with pytest.raises(UnsafeCheckpointError, match=r'file\.pth was refused.*threading\.Event'):
        load_checkpoint_safely(path)


def test_hollow_numpy_core():
    """numpy 1.26 has a nearly empty ``numpy._core``, which pandas or matplotlib imports."""
    pytest.importorskip('numpy._core', reason='numpy older than 1.26 has no numpy._core')
    allowed_classes.cache_clear()
    names = {f'{c.__module__}.{c.__name__}' for c in allowed_classes()}
    assert {'numpy.core.multiarray.scalar', 'numpy._core.multiarray._reconstruct'} <= names


def test_file_cut_inside_a_name(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b'_rebuild_tensor_v2') + 7])
    with pytest.raises(UnreadableCheckpointError, match=r'file\.pth cannot be read.*cut short'):
        load_checkpoint_safely(path)


@pytest.mark.parametrize('error', [AssertionError, MemoryError, OverflowError])
def test_damage_that_python_reports_otherwise(tmp_path, monkeypatch, error):
    path = tmp_path / 'file.pth'
    torch.save(WEIGHTS, path)
    os.truncate(path, 200)

    def load(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch, 'load', load)
    with pytest.raises(UnreadableCheckpointError, match=r'file\.pth cannot be read'):
        load_checkpoint_safely(path)


def test_memory_that_a_whole_file_lacks_is_not_explained(save, monkeypatch):
    path = save(WEIGHTS)

    def load(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(torch, 'load', load)
    with pytest.raises(MemoryError):
        load_checkpoint_safely(path)


def test_damage_that_takes_all_memory(tmp_path):
    path = tmp_path / 'file.pth'
    path.write_bytes(b'\x80\x04\x8d' + (2**62).to_bytes(8, 'little') + b'a.')  # a text of 4 EiB
    assert not is_complete(path)
    with pytest.raises(UnreadableCheckpointError, match=r'file\.pth cannot be read'):
        load_checkpoint_safely(path)


def test_files_without_checksums_are_whole(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(WEIGHTS, path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        starts = [info.header_offset for info in archive.infolist()]
    for start in starts:  # as torch writes after torch.serialization.set_crc32_options(False)
        data[start + 14 : start + 18] = bytes(4)
    for entry in re.finditer(b'PK\x01\x02', data):
        data[entry.start() + 16 : entry.start() + 20] = bytes(4)
    path.write_bytes(data)
    assert is_complete(path) and is_complete_checkpoint(path)
    assert load_checkpoint_safely(path)['note'].tolist() == [0, 1, 2]
    os.truncate(path, len(data) - 30)
    assert not is_complete(path) and not is_complete_checkpoint(path)
