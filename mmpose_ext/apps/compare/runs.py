# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""One training and test of a config with one seed, in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import mmpose

from mmpose_ext.utils.atomic_files import write_atomically

TOOLS = Path(mmpose.__file__).parent / '.mim' / 'tools'


@dataclass(frozen=True)
class Run:
    """A config trained with one seed.

    Attributes:
        config (Path): The config file.
        seed (int): ``randomness.seed``.
        folder (Path): Folder for its logs, checkpoints and results.
        options (tuple[str, ...]): Further ``key=value`` settings, as ``--cfg-options`` takes them.
    """

    config: Path
    seed: int
    folder: Path
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The config's stem."""
        return self.config.stem

    @property
    def people(self) -> Path:
        """The test's file of results per person; see :class:`mmpose_ext.evaluation.TorsoPCK`."""
        return self.folder / 'people.json'

    @property
    def costs(self) -> Path:
        """The file with the training's wall seconds and its processes' peak memory."""
        return self.folder / 'costs.json'

    def is_finished(self) -> bool:
        """Whether the test's result exists; it is the last file to be written."""
        return self.people.is_file()


def train_and_test(run: Run, threads: int = 1) -> None:
    """Train a run, or resume it, and test its last checkpoint; do nothing if it is finished.

    The output of both goes to ``log.txt`` in the run's folder.

    Args:
        run (Run): The run.
        threads (int): Threads of each process. Defaults to 1.

    Raises:
        RuntimeError: If the training or the test fails; the message names the log.
    """
    if run.is_finished():
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    seconds = _spent(run)
    started = time.monotonic()
    settings = [f'randomness.seed={run.seed}', *run.options]
    work_dir = ['--work-dir', str(run.folder / 'train')]
    try:
        _call(run, threads, 'train.py', [*work_dir, '--resume', '--cfg-options', *settings])
    finally:
        seconds += time.monotonic() - started
        write_atomically(run.costs, json.dumps(dict(seconds=seconds)).encode())
    last = Path((run.folder / 'train' / 'last_checkpoint').read_text().strip())
    partial = run.folder / 'people.partial.json'
    out = [*settings, f'test_evaluator.out_file={partial}']
    test_dir = ['--work-dir', str(run.folder / 'test')]
    _call(run, threads, 'test.py', [str(last), *test_dir, '--cfg-options', *out])
    os.replace(partial, run.people)


def _spent(run: Run) -> float:
    """Return the training time of earlier, interrupted calls, in seconds."""
    return json.loads(run.costs.read_text())['seconds'] if run.costs.is_file() else 0.0


def _call(run: Run, threads: int, tool: str, arguments: list[str]) -> None:
    command = [sys.executable, str(TOOLS / tool), str(run.config), *arguments]
    environment = {**os.environ, 'OMP_NUM_THREADS': str(threads), 'MKL_NUM_THREADS': str(threads)}
    log = run.folder / 'log.txt'
    with open(log, 'ab') as file:
        code = subprocess.run(command, env=environment, stdout=file, stderr=file).returncode
    if code:
        raise RuntimeError(
            f'{tool} of {run.name} with seed {run.seed} ended with {code}: see {log}'
        )
