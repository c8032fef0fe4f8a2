# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""An intact pack is not called damaged: memory, disk and permissions have messages of their own."""

import os
import subprocess
import sys

import pytest
from packs import build, key_of, lmdb, pack, path_of, people_of

from mmpose_ext.apps.shared.arguments import command_line_message
from mmpose_ext.datasets.pack import Crop, PackError, PackReader, use_pack
from mmpose_ext.datasets.pack.errors import explained

LIMITED = """
import resource, sys
from mmpose_ext.apps.main import main
resource.setrlimit(resource.{limit}, ({value},) * 2)
sys.exit(main(sys.argv[1:]))
"""


def limited(limit, value, *words):
    """Run the command with a limit of the system; return its status and errors."""
    code = LIMITED.format(limit=limit, value=value)
    done = subprocess.run(
        [sys.executable, '-c', code, *map(str, words)], capture_output=True, text=True
    )
    return done.returncode, done.stderr


def test_limited_memory(config):
    """The address space that is reserved for a pack fits into `ulimit -v`."""
    assert limited('RLIMIT_AS', 20 * 2**30, 'pack', config)[0] == 0
    assert limited('RLIMIT_AS', 20 * 2**30, 'pack', config, '--check')[0] == 0


def test_full_disk(config):
    """What is written in part, as on a full disk, is an error of LMDB without a name."""
    status, errors = limited('RLIMIT_FSIZE', 200_000, 'pack', config)
    assert status == 2
    assert 'free space' in errors and 'damaged' not in errors and '--anew' not in errors
    done = people_of(path_of(config))
    assert len(done) < 70
    assert pack(config) == 0  # goes on
    after = people_of(path_of(config))
    assert len(after) == 70 and all(after[key] == value for key, value in done.items())
    assert pack(config, '--check') == 0


@pytest.mark.skipif(os.getuid() == 0, reason='the superuser may write everything')
def test_forbidden_folder(config, capsys):
    config.parent.chmod(0o555)
    assert pack(config) == 2
    config.parent.chmod(0o755)
    assert 'Permission denied' in (error := capsys.readouterr().err) and '--out' in error


def test_no_folder(config, capsys):
    path_of(config).write_text('')
    assert pack(config) == 2
    error = capsys.readouterr().err
    assert 'people.pack' in error and '--out' in error


@pytest.mark.parametrize(
    'error, remedy',
    [
        (lmdb.MemoryError('Cannot allocate memory'), 'ulimit -v'),
        (lmdb.MapFullError('mdb_put: MDB_MAP_FULL'), 'ulimit -v'),
        (lmdb.DiskError('mdb_txn_commit: No space left on device'), 'free space'),
        (lmdb.Error('mdb_txn_commit: Input/output error'), 'free space'),
        (lmdb.Error('mdb_txn_commit: Disk quota exceeded'), 'free space'),
        (lmdb.ReadonlyError('p: Permission denied'), 'permissions'),
        (lmdb.Error('p: Read-only file system'), 'permissions'),
        (lmdb.LockError('p: Resource temporarily unavailable'), 'end the processes'),
        (lmdb.MapResizedError('MDB_MAP_RESIZED'), 'start again'),
        (lmdb.Error('something new'), 'look at the disk'),
    ],
)
def test_remedies(error, remedy):
    message = str(explained('a.pack', error))
    assert '--out' not in message  # training has another setting
    writing = explained('a.pack', error, writing=True)
    assert ('path by --out' in command_line_message(writing)) == (remedy == 'permissions')
    assert '--out' not in str(writing)  # in Python, it is an argument
    assert message.startswith('pack a.pack') and str(error) in message and remedy in message
    assert '--anew' not in message and 'damaged' not in message


@pytest.mark.parametrize('content', [b'', b'no pack' * 10_000])
def test_file_that_is_no_pack(config, content, capsys):
    assert pack(config) == 0
    (path_of(config) / 'data.mdb').write_bytes(content)
    told = 'is damaged or not a pack .*: run `mmpose-ext pack CONFIG --anew`'
    with pytest.raises(PackError, match=told if content else 'is missing: run'):
        use_pack(build(config))
    assert pack(config) == (2 if content else 0)
    assert not content or 'replace it with --anew' in capsys.readouterr().err
    assert pack(config, '--anew') == 0
    assert pack(config, '--check') == 0


def test_pack_grows_while_it_is_read(config):
    assert pack(config, '--size', '40') == 0
    key = key_of(1001, path_of(config))
    reader = PackReader(path_of(config))
    crop = reader.crop(key)
    code = (
        f'import lmdb\ne = lmdb.open({str(path_of(config))!r}, map_size=2**34)\n'
        "with e.begin(write=True) as t: t.put(b'x', bytes(50_000_000))\ne.close()"
    )
    subprocess.run([sys.executable, '-c', code], check=True)
    assert reader.crop(key) == crop


def test_crop_is_read_again_before_it_counts_as_damaged(config, monkeypatch):
    assert pack(config) == 0
    key = key_of(1001, path_of(config))
    reader = PackReader(path_of(config))
    expected, parse, failures = reader.crop(key), Crop.from_bytes, [ValueError('torn')]

    def torn(content):
        if failures:
            raise failures.pop()
        return parse(content)

    monkeypatch.setattr(Crop, 'from_bytes', torn)
    assert reader.crop(key) == expected and not failures
