# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The restricted ``torch.load``: for one thread, in both formats, whatever its arguments."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import re
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import change_zip, write_legacy, write_program, write_zip
from mmengine.runner.checkpoint import CheckpointLoader

from mmpose_ext.engine import (
    UnloadableCheckpointError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    load_checkpoint_safely,
    safely_loading,
)


@pytest.fixture
def program(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_program('program.pth')
    return tmp_path / 'program.pth'


def test_torchscript_archives_are_refused(program):
    with pytest.raises(UnsafeCheckpointError, match=r'program\.pth was refused.*TorchScript'):
        load_checkpoint_safely(program)
    assert not Path('code_was_run').exists()
    torch.jit.load(str(program))
    assert Path('code_was_run').exists()  # otherwise the above would pass whatever happened


@pytest.fixture(params=[dict(), dict(weights_only=False), dict(pickle_module=pickle)], ids=str)
def remote(request):
    """Register a loader of another scheme, which calls ``torch.load`` with these arguments."""
    before = dict(CheckpointLoader._schemes)

    def load_from_elsewhere(filename: str, map_location: object = None) -> object:
        content = Path(filename.replace('elsewhere://', '')).read_bytes()
        return torch.load(io.BytesIO(content), map_location=map_location, **request.param)

    CheckpointLoader.register_scheme('elsewhere://', load_from_elsewhere)
    with safely_loading():
        yield CheckpointLoader.load_checkpoint
    CheckpointLoader._schemes = type(CheckpointLoader._schemes)(before)


@pytest.mark.parametrize('forced', ['0', '1'])
def test_other_schemes_are_restricted(remote, program, forced, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', forced)
    with pytest.raises(UnsafeCheckpointError, match='TorchScript'):
        remote(f'elsewhere://{program}')
    for write in (write_zip, write_legacy):
        write('file.pth', b'cos\nmkdir\n(X\x0c\x00\x00\x00code_was_runtR.')
        with pytest.raises(UnsafeCheckpointError, match='mkdir'):
            remote('elsewhere://file.pth')
    assert not Path('code_was_run').exists()
    torch.save(dict(state_dict={}, array=np.arange(3)), 'file.pth')
    assert remote('elsewhere://file.pth')['array'].tolist() == [0, 1, 2]


def test_a_storage_longer_than_its_data_is_refused(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(4))), path)
    four, many = b'K\x04', b'J\x00\x00\x01\x00'
    change_zip(path, lambda data: re.sub(b'(?s)(cpuq.)' + four, lambda m: m[1] + many, data))
    with pytest.raises(UnreadableCheckpointError, match=r'16 bytes.*262144') as error:
        load_checkpoint_safely(path)
    assert '\n' not in str(error.value)


# tensors by layout, and their indices
SPARSE = {
    'coo': (torch.eye(2).to_sparse, torch.Tensor._indices),
    'csr': (torch.eye(2).to_sparse_csr, torch.Tensor.col_indices),
    'csc': (torch.eye(2).to_sparse_csc, torch.Tensor.row_indices),
}


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('kind', SPARSE)
def test_sparse_tensors_are_checked(kind, zipped, tmp_path):
    make, indices = SPARSE[kind]
    tensor = make()
    path = tmp_path / 'file.pth'
    torch.save(dict(weight=tensor), path, _use_new_zipfile_serialization=zipped)
    assert load_checkpoint_safely(path)['weight'].to_dense().tolist() == [[1, 0], [0, 1]]
    indices(tensor).view(-1)[-1] = 1_000_000  # beyond the end
    torch.save(dict(weight=tensor), path, _use_new_zipfile_serialization=zipped)
    # torch before 2.7 compares the indices itself
    with pytest.raises(
        (UnreadableCheckpointError, UnloadableCheckpointError),
        match=r'file\.pth.*(1000000|indices)',
    ):
        load_checkpoint_safely(path)


@pytest.mark.parametrize('kind', ['frozenset', 'set'])
@pytest.mark.parametrize('write', [write_zip, write_legacy])
def test_sets_of_long_ranges_are_refused(kind, write, tmp_path):
    length = b'\x8a\x06' + (10**11).to_bytes(6, 'little')
    parts = b'\x80\x02cbuiltins\n%s\n(cbuiltins\nrange\n(%stRtR.' % (kind.encode(), length)
    write(tmp_path / 'file.pth', parts)
    with pytest.raises(UnsafeCheckpointError, match=r'range\(100000000000,\)'):
        load_checkpoint_safely(tmp_path / 'file.pth')


def test_threads_load_independently(tmp_path):
    content = dict(state_dict={}, arrays=[np.arange(length) for length in range(20)])
    torch.save(content, tmp_path / 'file.pth')
    results = []

    def load_often():
        for _ in range(20):
            try:
                load_checkpoint_safely(tmp_path / 'file.pth')
            except Exception as error:
                results.append(error)
            else:
                results.append('loaded')

    threads = [threading.Thread(target=load_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ['loaded'] * 80


def test_other_threads_are_not_affected(tmp_path):
    torch.save(dict(array=range(3)), tmp_path / 'range.pth')  # allowed here, not by torch
    torch.save(dict(state_dict=dict(weight=torch.ones(3))), tmp_path / 'file.pth')
    found = []

    def load_elsewhere():
        try:
            torch.load(tmp_path / 'range.pth', weights_only=True)
        except pickle.UnpicklingError as error:
            found.append(str(error))
        found.append(torch.load(tmp_path / 'range.pth', weights_only=False))

    def location(storage, place):  # while the file is loaded
        thread = threading.Thread(target=load_elsewhere)
        thread.start()
        thread.join()

    load_checkpoint_safely(tmp_path / 'file.pth', map_location=location)
    refusal, content = found
    assert 'range' in refusal and content == dict(array=range(3))


def test_full_unpickling_still_works_outside(tmp_path):
    torch.save(dict(state_dict={}, note=argparse.Namespace(a=1)), tmp_path / 'file.pth')
    with pytest.raises(UnsafeCheckpointError, match=r'argparse\.Namespace'):
        load_checkpoint_safely(tmp_path / 'file.pth')
    assert torch.load(tmp_path / 'file.pth', weights_only=False)['note'].a == 1


@pytest.fixture
def users_list():
    """Return ``torch.serialization``, and restore its list of the user's classes afterwards."""
    serialization = torch.serialization
    if not hasattr(serialization, 'add_safe_globals'):
        pytest.skip('torch before 2.4 has no list of the user')
    before = serialization.get_safe_globals()
    yield serialization
    serialization.clear_safe_globals()
    serialization.add_safe_globals(before)


def test_the_users_list_is_honored_and_kept(users_list, tmp_path):
    torch.save(dict(state_dict={}, note=argparse.Namespace(a=1)), tmp_path / 'file.pth')
    users_list.add_safe_globals([argparse.Namespace, slice, os.mkdir])
    assert load_checkpoint_safely(tmp_path / 'file.pth')['note'].a == 1
    assert {argparse.Namespace, slice} <= set(users_list.get_safe_globals())
    write_zip(tmp_path / 'file.pth', b'cposix\nmkdir\n(X\x01\x00\x00\x00atR.')
    with pytest.raises(UnsafeCheckpointError, match='mkdir'):  # as in torch
        load_checkpoint_safely(tmp_path / 'file.pth')


def test_the_users_list_does_not_replace_checks(users_list, tmp_path):
    torch.save(dict(state_dict={}, array=np.array([None])), tmp_path / 'file.pth')
    users_list.add_safe_globals([np.ndarray, np.dtype, getattr])
    with pytest.raises(UnsafeCheckpointError, match='object'):
        load_checkpoint_safely(tmp_path / 'file.pth')


@pytest.mark.parametrize('zipped', [True, False])
def test_newer_protocols_are_read(zipped, tmp_path):
    content = dict(state_dict=dict(weight=torch.ones(3)), array=np.arange(3), text=b'bytes')
    path = tmp_path / 'file.pth'
    torch.save(content, path, pickle_protocol=4, _use_new_zipfile_serialization=zipped)
    found = load_checkpoint_safely(path)
    assert found['state_dict']['weight'].tolist() == [1, 1, 1]
    assert found['array'].tolist() == [0, 1, 2] and found['text'] == b'bytes'


def test_tar_files_are_named(tmp_path):
    with tarfile.open(tmp_path / 'old.pth', 'w') as archive:
        for name in ('storages', 'tensors', 'pickle'):
            data = pickle.dumps(0, 2)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(UnloadableCheckpointError, match=r'old\.pth is a \.tar file.*torch\.save'):
        load_checkpoint_safely(tmp_path / 'old.pth')


def test_the_command_in_the_refusal_works(program, tmp_path):
    torch.save(torch.nn.Linear(2, 2), 'model.pth')
    torch.save(dict(state_dict=dict(weight=torch.ones(2)), note=argparse.Namespace()), 'note.pth')
    torch.save(dict(weight=torch.ones(2), note=argparse.Namespace()), 'bare.pth')
    for name in ('model.pth', 'note.pth', 'bare.pth', program.name):
        with pytest.raises(UnsafeCheckpointError, match='convert it once with: ') as refusal:
            load_checkpoint_safely(name)
        code = str(refusal.value).split('convert it once with: ')[1]
        exec(code, dict(torch=torch, FILE=name, NEW_FILE='new.pth'))
        assert 'weight' in load_checkpoint_safely('new.pth')['state_dict']
