# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Trainings that are killed repeatedly at random moments end like the undisturbed one."""

import json
import random
import signal
import time
from pathlib import Path

import pytest
from nursery_client import Nursery

from mmpose_ext.engine.last_checkpoint import is_complete_checkpoint
from mmpose_ext.utils.atomic_files import TEMPORARY_SUFFIX

EPOCHS = 4


@pytest.fixture(scope='module')
def nursery(tmp_path_factory):
    nursery = Nursery(tmp_path_factory.mktemp('nursery'))
    yield nursery
    nursery.close()


@pytest.fixture(scope='module')
def config(config_in, tmp_path_factory) -> Path:
    """Write the config file of all trainings."""
    path = tmp_path_factory.mktemp('config') / 'config.py'
    cfg = config_in(path.parent, **{'train_dataloader.num_workers': 1, 'log_level': 'ERROR'})
    cfg.train_cfg.max_epochs = EPOCHS
    cfg.train_dataloader.dataset.pipeline.insert(0, dict(type='DieAtSample'))
    cfg.dump(path)
    return path


@pytest.fixture(scope='module')
def calm(nursery, config, tmp_path_factory):
    """Return the undisturbed run's folder, its duration in seconds and its steps of writing."""
    work = tmp_path_factory.mktemp('calm') / 'work'
    start = time.monotonic()
    assert nursery.train(config=str(config), work_dir=str(work)) == 0, nursery.text()
    seconds = time.monotonic() - start
    return work, seconds, json.loads((work / 'metrics.json').read_text())['steps']


@pytest.fixture
def order(config, tmp_path):
    """Return ``order(name)``, which says what to train, in the folder of this name."""
    return lambda name: dict(config=str(config), work_dir=str(tmp_path / name))


def assert_nothing_is_half(work: Path) -> None:
    """Check that each file with a final name is complete, and that the record names one, if any."""
    assert all(is_complete_checkpoint(path) for path in work.glob('*.pth'))
    if (record := work / 'last_checkpoint').exists():
        assert is_complete_checkpoint(record.read_text())


def assert_ended_alike(calm: Path, work: Path, assert_same_end) -> None:
    """Check that weights, optimizer, records, files and the last validation's metrics agree."""
    assert_same_end(calm, work, EPOCHS)
    ends = [json.loads((folder / 'metrics.json').read_text()) for folder in (calm, work)]
    assert ends[0]['metrics'] == ends[1]['metrics']
    assert not list(work.glob(f'.*{TEMPORARY_SUFFIX}'))


@pytest.mark.long
@pytest.mark.parametrize('seed', [0, 1])
def test_killed_at_random_moments(nursery, order, calm, tmp_path, assert_same_end, seed):
    """Each seed gets twelve kills: two of three at a step of writing files, the others any time.

    A run is killed and resumed until it completes. Then another begins, until there were enough
    kills.
    """
    folder, seconds, steps = calm
    rng = random.Random(seed)
    kills, in_writing, runs = 0, 0, 0
    while kills < 12:
        runs += 1
        name, resumed = f'rough{runs}', 0
        while True:
            kind = dict(resume=True) if resumed else {}
            if kills >= 12:
                pass  # there were enough kills, so this run may end
            elif kills % 3 < 2:
                kind['die_at'] = rng.randint(1, steps // EPOCHS)
            else:
                kind['kill'] = rng.uniform(0, seconds), signal.SIGKILL
            code = nursery.train(**order(name), **kind)
            if code == 0:
                break
            assert code == -signal.SIGKILL, nursery.text()
            assert_nothing_is_half(tmp_path / name)
            kills, resumed = kills + 1, resumed + 1
            in_writing += 'die_at' in kind
        assert_ended_alike(folder, tmp_path / name, assert_same_end)
    assert in_writing >= 6


@pytest.mark.long
@pytest.mark.parametrize('full_at', [1, 4, 6])  # the first file, before any whole one; later ones
def test_a_full_disk(nursery, order, calm, tmp_path, assert_same_end, full_at):
    """At first, no file can grow beyond half a checkpoint; then there is space again."""
    limit = (calm[0] / f'epoch_{EPOCHS}.pth').stat().st_size // 2
    assert nursery.train(**order('full'), full_at=full_at, limit=limit) == 1
    assert 'cannot write' in nursery.text() and 'continue with --resume' in nursery.text()
    work = tmp_path / 'full'
    assert_nothing_is_half(work)
    assert not list(work.glob(f'.*{TEMPORARY_SUFFIX}'))  # unfinished files do not fill the disk
    assert nursery.train(**order('full'), resume=True) == 0, nursery.text()
    assert_ended_alike(calm[0], work, assert_same_end)


@pytest.mark.long
@pytest.mark.parametrize('sample', [1, 9, 20])  # of 6 per epoch
def test_a_data_worker_that_dies(nursery, order, calm, tmp_path, assert_same_end, sample):
    assert nursery.train(**order('worker'), worker_dies_at=sample) == 1
    assert 'DataLoader worker' in nursery.text() and 'Killed' in nursery.text()
    assert_nothing_is_half(tmp_path / 'worker')
    assert nursery.train(**order('worker'), resume=True) == 0, nursery.text()
    assert_ended_alike(calm[0], tmp_path / 'worker', assert_same_end)


@pytest.mark.long
def test_ctrl_c(nursery, order, calm, tmp_path, assert_same_end):
    """Ctrl-C stops one training at six random moments, and each time it is resumed."""
    folder, seconds, _ = calm
    rng = random.Random(2)
    stopped, runs = 0, 0
    while stopped < 6:
        runs += 1
        name, resumed = f'stopped{runs}', 0
        while True:
            kind = dict(resume=True) if resumed else {}
            if stopped < 6:
                kind['kill'] = rng.uniform(0.1, 0.9) * seconds, signal.SIGINT
            code = nursery.train(**order(name), **kind)
            assert_nothing_is_half(tmp_path / name)
            if code == 0:
                break
            assert code == 1 and 'KeyboardInterrupt' in nursery.text()
            stopped, resumed = stopped + 1, resumed + 1
        assert_ended_alike(folder, tmp_path / name, assert_same_end)
