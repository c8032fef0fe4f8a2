# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A command that a signal stops leaves no process behind, and starts no other."""

import itertools
import multiprocessing
import os
import signal
import sys
import time

import psutil
import pytest

from mmpose_ext.apps.compare import cli as compare_cli
from mmpose_ext.apps.compare import runs
from mmpose_ext.apps.complexity import Complexity
from mmpose_ext.apps.main import main
from mmpose_ext.apps.pack import cli as pack_cli

CONFIG = "model = dict(type='A')\ntrain_dataloader = dict(batch_size=2)\n"


def comparison(tmp_path, monkeypatch):
    """Two trainings at a time, of four."""
    (tmp_path / 'train.py').write_text('import time\ntime.sleep(600)\n')
    (tmp_path / 'c.py').write_text(CONFIG)
    monkeypatch.setattr(runs, 'TOOLS', tmp_path)
    monkeypatch.setattr(
        compare_cli, 'complexity_of_config', lambda *_: (Complexity(1, 1, 1), (8, 8))
    )
    seeds = ['--seeds', '0', '1', '2', '3', '--jobs', '2']
    return ['compare', tmp_path / 'c.py', '--work-dir', tmp_path / 'runs', *seeds], 2


def synthetic(tmp_path, monkeypatch):
    return ['synthetic', '--out', tmp_path / 'set', '--train', '100000', '--workers', '2'], 2


def pack(tmp_path, monkeypatch):
    job = type('Job', (), dict(path=tmp_path / 'p.pack'))
    monkeypatch.setattr(pack_cli, 'plan_packs', lambda *_: [job])
    monkeypatch.setattr(pack_cli, 'prepare_pack', lambda *_: None)
    monkeypatch.setattr(pack_cli, 'fill_pack', lambda *_: time.sleep(600))
    return ['pack', 'c.py', '--workers', '3'], 2


def wait_for(condition):
    """Return whether a condition becomes true within half a minute."""
    tries = itertools.takewhile(lambda _: not condition(), range(600))
    return sum(time.sleep(0.05) is None for _ in tries) < 600


def run(words):
    """Run a command in a process of its own, as from a shell in the foreground."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells in the background ignore it
    sys.exit(main(list(map(str, words))))


@pytest.mark.parametrize('number, code', [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize('make', [comparison, synthetic, pack])
def test_no_process_stays(tmp_path, monkeypatch, make, number, code):
    words, workers = make(tmp_path, monkeypatch)
    fork = multiprocessing.get_context('fork')
    command = fork.Process(target=run, args=(words,))
    command.start()
    process = psutil.Process(command.pid)
    assert wait_for(lambda: len(process.children()) == workers)
    time.sleep(0.5)  # the command has noted the last one too
    children = process.children()
    os.kill(command.pid, number)  # not the group, as a batch system or `kill` does it
    command.join(30)
    assert command.exitcode == code
    assert wait_for(lambda: not any(child.is_running() for child in children))
    if make is comparison:  # those that waited have not begun
        assert len(list((tmp_path / 'runs' / 'c').iterdir())) == 2
