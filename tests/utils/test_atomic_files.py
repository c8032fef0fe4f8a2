# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import errno
import os

import pytest
from mmengine.fileio import get_file_backend

from mmpose_ext.utils.atomic_files import (
    TEMPORARY_SUFFIX,
    AtomicLocalBackend,
    remove_leftovers,
    require_writable,
    write_atomically,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / 'new' / 'file.pth'  # the folder does not exist yet
    write_atomically(path, b'one')
    write_atomically(str(path), b'two')
    assert path.read_bytes() == b'two'
    assert os.listdir(path.parent) == ['file.pth']


@pytest.mark.parametrize('step', ['write', 'fsync', 'replace'])
@pytest.mark.parametrize('error', [OSError(errno.ENOSPC, 'No space left'), KeyboardInterrupt()])
def test_failure_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / 'file.pth'
    write_atomically(path, b'old')

    def fail(*args, **kwargs):
        raise error

    if step == 'write':
        monkeypatch.setattr('builtins.open', fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)) as info:
        write_atomically(path, b'new')
    monkeypatch.undo()
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['file.pth']
    if isinstance(error, OSError):
        assert info.value.errno == errno.ENOSPC
        assert 'file.pth' in str(info.value) and 'free at least' in str(info.value)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full on this system')
def test_disk_that_is_really_full(tmp_path, monkeypatch):
    """The kernel itself raises ENOSPC, because the temporary file is a link to /dev/full."""
    path = tmp_path / 'file.pth'
    write_atomically(path, b'old')
    os.symlink('/dev/full', tmp_path / f'.file.pth.{os.getpid()}{TEMPORARY_SUFFIX}')
    with pytest.raises(OSError, match=r'cannot write .*file\.pth: No space left on device'):
        write_atomically(path, b'new' * 100000)
    assert path.read_bytes() == b'old'


@pytest.mark.parametrize(
    'path, message',
    [
        ('folder', 'Is a directory; give a path that is not a folder'),
        ('.', 'Is a directory; give a path that is not a folder'),
        ('file/x', 'File exists; a part of the path is a file, not a folder: give another path'),
        ('file/x/y', 'Not a directory; a part of the path is a file'),
        ('n' * 300, 'File name too long; check the path and the disk'),
    ],
)
def test_message_fits_the_fault(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    os.mkdir('folder')
    open('file', 'w').close()
    with pytest.raises(OSError, match=f'cannot write {path}: {message}') as caught:
        write_atomically(path, b'new')
    assert '--' not in str(caught.value)  # callers have different flags


@pytest.mark.parametrize(
    'path, message',
    [
        ('folder', 'Is a directory; give a path that is not a folder'),
        ('file/x', 'Not a directory; a part of the path is a file'),
        ('file/x/y', 'Not a directory; a part of the path is a file'),
        ('locked/x', 'Permission denied; make the folder writable'),
        ('locked/new/x', 'Permission denied; make the folder writable'),
    ],
)
def test_obstacles_are_found_before_the_work(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    os.mkdir('folder')
    os.mkdir('locked')
    open('file', 'w').close()
    monkeypatch.setattr(os, 'access', lambda folder, mode: str(folder) != 'locked')
    require_writable(None, 'file', 'new/folder/x', tmp_path / 'x')
    with pytest.raises(OSError, match=f'cannot write {path}: {message}'):
        require_writable('x', path)
    assert sorted(os.listdir()) == ['file', 'folder', 'locked']  # nothing was made


def test_message_of_a_read_only_folder(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(errno.EACCES, 'Permission denied')

    monkeypatch.setattr('builtins.open', fail)
    with pytest.raises(PermissionError, match='Permission denied; make the folder writable$'):
        write_atomically(tmp_path / 'x', b'new')


def test_bytes_are_on_disk_before_the_rename(tmp_path, monkeypatch):
    calls = []
    for name in ('fsync', 'replace'):
        original = getattr(os, name)

        def record(*args, _name=name, _original=original):
            calls.append(_name)
            return _original(*args)

        monkeypatch.setattr(os, name, record)
    write_atomically(tmp_path / 'file', b'x')
    assert calls == ['fsync', 'replace', 'fsync']  # file, rename, folder


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    names = [f'.epoch_1.pth.123{TEMPORARY_SUFFIX}', '.hidden', 'epoch_1.pth', 'x.tmp']
    for name in names:
        (tmp_path / name).write_bytes(b'x')
    assert remove_leftovers(tmp_path) == names[:1]
    assert sorted(os.listdir(tmp_path)) == sorted(names[1:])
    assert remove_leftovers(tmp_path / 'no_such_folder') == []


def test_registered_as_a_backend(tmp_path):
    backend = get_file_backend(str(tmp_path / 'a'), backend_args=dict(backend='mmpose_ext_atomic'))
    assert isinstance(backend, AtomicLocalBackend)
    backend.put(b'bytes', str(tmp_path / 'a'))
    backend.put_text('täxt', str(tmp_path / 'b'))
    assert backend.get(str(tmp_path / 'a')) == b'bytes'
    assert backend.get_text(str(tmp_path / 'b')) == 'täxt'
