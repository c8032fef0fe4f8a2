# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""kill -9 at awkward moments of a training in a separate process, as `mim train` starts it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mmpose
import pytest

from mmpose_ext.engine.last_checkpoint import is_complete_checkpoint
from mmpose_ext.utils.atomic_files import TEMPORARY_SUFFIX

TRAIN_TOOL = Path(mmpose.__file__).parent / '.mim' / 'tools' / 'train.py'
ROOT = Path(__file__).resolve().parents[2]

# Imported by the training process through custom_imports; environment variables say where to stop.
MOMENTS = """
import os, signal, time
from pathlib import Path
from mmengine.hooks import Hook
from mmpose.registry import HOOKS
from mmpose_ext.utils import atomic_files

WAIT_AT_ITER = int(os.environ.get('WAIT_AT_ITER', -1))
DIE_IN_WRITE = int(os.environ.get('DIE_IN_WRITE', -1))


@HOOKS.register_module()
class WaitForKillHook(Hook):
    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter == WAIT_AT_ITER:
            Path(os.environ['FLAG']).touch()
            time.sleep(600)


class HalfFile:
    writes = 0

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        HalfFile.writes += 1
        if HalfFile.writes == DIE_IN_WRITE:
            self.file.write(data[:len(data) // 2])
            self.file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.file.write(data)


atomic_files.open = lambda *args: HalfFile(open(*args))
"""


@pytest.fixture
def train(make_config, tmp_path):
    """Return ``train(work_dir, *flags, **variables)``, mmpose's training in a new process."""
    (tmp_path / 'moments_of_death.py').write_text(MOMENTS)
    config = make_config(**{'train_dataloader.num_workers': 1})
    config.custom_imports.imports.append('moments_of_death')
    config.custom_hooks = [dict(type='WaitForKillHook')]
    config.dump(tmp_path / 'config.py')

    def start(work_dir: Path, *flags: str, **variables) -> subprocess.Popen:
        search = os.pathsep.join([str(ROOT), str(tmp_path), os.environ.get('PYTHONPATH', '')])
        environment = dict(os.environ, PYTHONPATH=search, **variables)
        command = [sys.executable, str(TRAIN_TOOL), str(tmp_path / 'config.py')]
        command += ['--work-dir', str(work_dir), *flags]
        with open(tmp_path / 'output.txt', 'ab') as output:
            return subprocess.Popen(
                command, env=environment, cwd=tmp_path, stdout=output, stderr=output
            )

    return start


def finish(process: subprocess.Popen, tmp_path: Path, expected: int = 0) -> None:
    code = process.wait(timeout=600)
    assert code == expected, (tmp_path / 'output.txt').read_text()[-3000:]


def assert_nothing_is_half(work_dir: Path) -> None:
    assert is_complete_checkpoint((work_dir / 'last_checkpoint').read_text())
    assert all(is_complete_checkpoint(path) for path in work_dir.glob('*.pth'))


def test_killed_in_an_epoch_and_in_a_write(train, tmp_path, assert_same_end):
    calm, rough = tmp_path / 'calm', tmp_path / 'rough'
    undisturbed = train(calm)

    # kill -9 from outside in the second epoch, with a data worker alive
    flag = tmp_path / 'flag'
    process = train(rough, WAIT_AT_ITER='4', FLAG=str(flag))
    deadline = time.monotonic() + 600
    while not flag.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    finish(process, tmp_path, -signal.SIGKILL)
    assert (rough / 'last_checkpoint').read_text().endswith('epoch_1.pth')
    assert_nothing_is_half(rough)

    # kill -9 half way through writing epoch_2.pth, the first file that the resumed run writes
    finish(train(rough, '--resume', DIE_IN_WRITE='1'), tmp_path, -signal.SIGKILL)
    half = [path.name for path in rough.glob(f'.*{TEMPORARY_SUFFIX}')]
    assert len(half) == 1 and half[0].startswith('.epoch_2.pth.')
    assert_nothing_is_half(rough)
    assert not (rough / 'epoch_2.pth').exists()

    finish(train(rough, '--resume'), tmp_path)
    assert not list(rough.glob(f'.*{TEMPORARY_SUFFIX}'))
    finish(undisturbed, tmp_path)
    assert_same_end(calm, rough)


@pytest.mark.long
@pytest.mark.parametrize('write', range(1, 16))
def test_killed_in_any_write(train, tmp_path, assert_same_end, write):
    """The writing of checkpoints, best checkpoints and last_checkpoint is killed half way."""
    calm, rough = tmp_path / 'calm', tmp_path / 'rough'
    undisturbed = train(calm)
    finish(train(rough, DIE_IN_WRITE=str(write)), tmp_path, -signal.SIGKILL)
    assert all(is_complete_checkpoint(path) for path in rough.glob('*.pth'))
    finish(train(rough, '--resume'), tmp_path)
    finish(undisturbed, tmp_path)
    assert_same_end(calm, rough)
