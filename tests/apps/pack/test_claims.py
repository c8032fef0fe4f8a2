# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Claims end with the process that made them, and a process says what it waits for."""

import multiprocessing
import os
import signal
import time

import pytest
from packs import pack, path_of, people_of

from mmpose_ext.apps.pack import fill_pack, plan_packs, prepare_pack, writer
from mmpose_ext.apps.pack.claims import Claims

FORK = multiprocessing.get_context('fork')


def hold(path, number, ready):
    with Claims(path) as claims:
        assert claims.take(number)
        ready.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path):
    """Start processes that claim a part of a file; return a process, which holds its claim."""
    running = []

    def start(path, number):
        ready = FORK.Event()
        running.append(FORK.Process(target=hold, args=(path, number, ready), daemon=True))
        running[-1].start()
        assert ready.wait(60)
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.join()


def test_one_process_at_a_time(holder, tmp_path):
    process = holder(tmp_path / 'claims', 3)
    with Claims(tmp_path / 'claims') as claims:
        assert claims.take(2) and claims.take(4)
        assert not claims.take(3)
        assert claims.holder(3) == process.pid and claims.holder(2) == os.getpid()
        assert claims.holder(99) == 0
        process.kill()
        process.join()
        assert claims.take(3)


def test_given_back(tmp_path):
    def take(path, done):
        with Claims(path) as claims:
            done.value = claims.take(0)

    with Claims(tmp_path / 'claims') as claims:
        for held in (True, False):
            assert claims.take(0)
            if not held:
                claims.release(0)
            taken = FORK.Value('i', -1)
            process = FORK.Process(target=take, args=(tmp_path / 'claims', taken))
            process.start()
            process.join()
            assert taken.value == (not held)


@pytest.mark.parametrize('process', [1, 2**30])
def test_numbers_of_processes_do_not_matter(config, process):
    """A killed process's number may be another's by now, as in a container started again."""
    (job,) = plan_packs([config])
    prepare_pack(job)
    (job.path / 'claims').write_bytes(process.to_bytes(8, 'little') * 3)
    assert pack(config) == 0
    assert len(people_of(path_of(config))) == 70


def test_waiting_is_told(config, holder, monkeypatch, capsys):
    """A process that is stopped keeps its claim; the others say whom they wait for."""
    monkeypatch.setattr(writer, 'PATIENCE', 0.1)
    (job,) = plan_packs([config])
    meta = prepare_pack(job)
    process = holder(job.path / 'claims', 1)
    os.kill(process.pid, signal.SIGSTOP)
    told = []

    def tell_waiting(number):
        told.append(number)
        process.kill()

    progress = []
    assert fill_pack(job, meta, lambda *state: progress.append(state), tell_waiting) == 70
    assert told[0] == process.pid
    assert progress[-1] == (3, 3) and (2, 3) in progress
    assert len(people_of(path_of(config))) == 70
