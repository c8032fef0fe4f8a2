# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A process that forks trainings, each to be killed, and does the slow imports once.

It reads one JSON object per line. The child trains ``config`` in ``work_dir`` (with ``resume``, as
with ``--resume``) and writes its last metrics to ``work_dir/metrics.json``. The process answers
with the child's process id, and with its exit code when it has ended. Optional keys are:

- ``die_at``: SIGKILL at the n-th step of writing files (open, half of the bytes, all of them, sync,
  rename, remove);
- ``full_at``: from the n-th opened file on, none may grow beyond ``limit`` bytes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import HOOKS, TRANSFORMS
from yapf.yapflib import yapf_api

import mmpose_ext  # noqa: F401
from mmpose_ext.utils import atomic_files


@TRANSFORMS.register_module()
class DieAtSample(BaseTransform):
    """Kills the data worker at a run's n-th sample; ``count`` is a file with a byte per sample."""

    def __init__(self, count: str = '', number: int = 0) -> None:
        self.count, self.number = count, number

    def transform(self, results: dict) -> dict:
        if self.number:
            with open(self.count, 'ab') as file:
                file.write(b'.')
            if os.path.getsize(self.count) == self.number:
                os.kill(os.getpid(), signal.SIGKILL)
        return results


@HOOKS.register_module()
class NoteMemoryHook(Hook):
    """Writes resident bytes and open files to ``work_dir/memory.jsonl`` every tenth step."""

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        if runner.iter % 10 == 0:
            workers = [worker.pid for worker in multiprocessing.active_children()]
            note = dict(
                step=runner.iter,
                process=_resident('self'),
                workers=sum(map(_resident, workers)),
                number=len(workers),
                files=len(os.listdir('/proc/self/fd')),
            )
            with open(Path(runner.work_dir, 'memory.jsonl'), 'a') as file:
                file.write(json.dumps(note) + '\n')


def _resident(process: int | str) -> int:
    pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


class Steps:
    """Counts the steps of writing files and dies, or fills the disk, at one of them."""

    def __init__(self, die_at: int = 0, full_at: int = 0, limit: int = 0) -> None:
        self.die_at, self.full_at, self.limit = die_at, full_at, limit
        self.number = self.opened = 0
        self.process = os.getpid()
        atomic_files.open = self.open
        for name in ('fsync', 'replace', 'remove', 'unlink'):
            self.wrap(name)

    def step(self) -> None:
        if os.getpid() != self.process:
            return  # a data worker, which counts its own removals
        self.number += 1
        if self.number == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, name: str) -> None:
        original = getattr(os, name)

        def call(*args, **kwargs):
            self.step()
            return original(*args, **kwargs)

        setattr(os, name, call)

    def open(self, path, mode: str):
        self.step()
        self.opened += 1
        if self.opened == self.full_at:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))
        return _Halves(open(path, mode, buffering=0), self)


class _Halves:
    """A file that writes its bytes in two steps."""

    def __init__(self, file, steps: Steps) -> None:
        self.file, self.steps = file, steps

    def __enter__(self):
        return self

    def __exit__(self, *args) -> None:
        self.file.close()

    def __getattr__(self, name: str):
        return getattr(self.file, name)

    def write(self, data: bytes) -> None:
        middle = len(data) // 2
        for part in (data[:middle], data[middle:]):
            while part:
                part = part[self.file.write(part) :]
            self.steps.step()


def train(order: dict) -> None:
    """Train in this process, as mmpose's training tool does."""
    steps = Steps(**{name: order.get(name, 0) for name in ('die_at', 'full_at', 'limit')})
    config = Config.fromfile(order['config'])
    config.work_dir = order['work_dir']
    config.resume = order.get('resume', False)
    if order.get('worker_dies_at'):
        for transform in config.train_dataloader.dataset.pipeline:
            if transform.type == 'DieAtSample':
                transform.update(count=order['work_dir'] + '.count', number=order['worker_dies_at'])
    runner = Runner.from_cfg(config)
    runner.train()
    metrics = runner.val_loop.run()
    path = Path(order['work_dir'], 'metrics.json')
    path.write_text(json.dumps(dict(metrics=metrics, steps=steps.number), default=float))


def main() -> None:
    # mmengine formats the config's text for each checkpoint, which takes most of the time here
    yapf_api.FormatCode = lambda text, **kwargs: (text, True)
    print('ready', flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            code = 1
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                train(json.loads(line))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(child, flush=True)
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status)
        print(-os.WTERMSIG(status) if killed else os.WEXITSTATUS(status), flush=True)


if __name__ == '__main__':
    main()
