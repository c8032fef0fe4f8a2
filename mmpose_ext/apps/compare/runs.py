# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train and test a config with one seed, in separate processes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mmpose

from mmpose_ext.apps.benchmark.environment import describe_environment
from mmpose_ext.apps.shared.arguments import parse_options
from mmpose_ext.apps.shared.configs import read_config, with_options
from mmpose_ext.utils.atomic_files import write_atomically

from .finished import Finished, counts_of_people, parse
from .processes import Processes

TOOLS = Path(mmpose.__file__).parent / '.mim' / 'tools'
THREADS = 1  # of each process
#: What counts of a config file.
TRAINED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')
#: Options with one of these words in their key say where files are, how fast they are read or what
#: a run logs, not what it trains and tests.
UNCOUNTED = frozenset(
    ('data_prefix', 'data_root', 'default_hooks', 'env_cfg', 'fast_data', 'launcher', 'log_level')
    + ('log_processor', 'num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')
    + ('val_cfg', 'val_dataloader', 'val_evaluator', 'vis_backends', 'visualizer', 'work_dir')
)


@dataclass(frozen=True)
class Run:
    """A config trained with one seed.

    Attributes:
        config (Path): The config file.
        seed (int): ``randomness.seed``.
        folder (Path): Folder for its logs, checkpoints and results.
        options (tuple[str, ...]): Further ``KEY=VALUE`` settings, as ``--cfg-options`` takes them.
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
        """The file with the training's costs (NaN if interrupted), environment and digest."""
        return self.folder / 'costs.json'

    def is_finished(self) -> bool:
        """Return whether the test's result, the last file of a run, exists."""
        return self.people.is_file()

    def finished(self) -> Finished:
        """Return the results of the finished run."""
        costs = json.loads(self.costs.read_text())
        costs.update(counts_of_people(parse(self.people.read_text())))
        return Finished(name=self.name, seed=self.seed, **costs)


def digest_of_config(path: str | os.PathLike, options: Sequence[str] = ()) -> str:
    """Hash what a config trains and how.

    Of the file, model, training data and schedule count (:data:`TRAINED`). Of the options, all
    settings count that differ from the file's, except for those of :data:`UNCOUNTED`.

    Args:
        path (str | os.PathLike): The config file.
        options (Sequence[str]): Further ``KEY=VALUE`` settings. Defaults to none.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a config, or does not take the options.
    """
    counted = {
        key: value
        for key, value in parse_options(options).items()
        if UNCOUNTED.isdisjoint(key.split('.'))
    }
    config = read_config(path)
    of_file = config.to_dict()
    changed = with_options(config, counted).to_dict()
    content = {key: changed.get(key) for key in TRAINED}
    content.update({key: value for key, value in changed.items() if value != of_file.get(key)})
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def train_and_test(run: Run, threads: int = THREADS, processes: Processes | None = None) -> None:
    """Train a run, or continue it, and test its last checkpoint, unless it is finished.

    The output of both goes to ``log.txt`` in the run's folder.

    Args:
        run (Run): The run.
        threads (int): Threads of each process. Defaults to 1.
        processes (Processes, optional): What runs and ends them. Defaults to one of its own.

    Raises:
        RuntimeError: If the training or the test fails (the message names the log), or if the run
            was begun with another config or other options.
    """
    processes = processes or Processes()
    run.folder.mkdir(parents=True, exist_ok=True)
    costs = _begin(run, threads)
    if run.is_finished():
        return
    settings = [f'randomness.seed={run.seed}', *run.options]
    work_dir = ['--work-dir', str(run.folder / 'train')]
    pointer = run.folder / 'train' / 'last_checkpoint'
    resumed = pointer.is_file()
    training = [*work_dir, '--resume', '--cfg-options', *settings]
    took = _call(run, threads, 'train.py', training, processes)
    if not resumed:  # otherwise, the costs of an earlier call are unknown
        write_atomically(run.costs, json.dumps({**costs, **took}).encode())
    last = Path(pointer.read_text().strip())
    partial = run.folder / 'people.partial.json'
    out = [*settings, f'test_evaluator.out_file={partial}']
    test_dir = ['--work-dir', str(run.folder / 'test')]
    _call(run, threads, 'test.py', [str(last), *test_dir, '--cfg-options', *out], processes)
    os.replace(partial, run.people)


def _begin(run: Run, threads: int) -> dict:
    """Write or read the facts of a run before it ends, with unknown costs (NaN)."""
    digest = digest_of_config(run.config, run.options)
    if not run.costs.is_file():
        facts = describe_environment()
        versions = [f'{name} {facts[name]}' for name in ('torch', 'mmpose', 'mmpose_ext')]
        environment = ', '.join([facts['device_name'], f'{threads} threads', *versions])
        unknown = dict.fromkeys(('seconds', 'cpu_seconds', 'memory_mib'), float('nan'))
        costs = dict(digest=digest, environment=environment, **unknown)
        write_atomically(run.costs, json.dumps(costs).encode())
    costs = json.loads(run.costs.read_text())
    if costs['digest'] != digest:
        raise RuntimeError(
            f'{run.folder} was trained with another version of {run.config}, or with other '
            'options: remove the folder, or choose another one'
        )
    return costs


def _call(
    run: Run, threads: int, tool: str, arguments: list[str], processes: Processes
) -> dict[str, float]:
    """Run one of mmpose's tools; return its wall and processor seconds and its peak memory."""
    command = [sys.executable, str(TOOLS / tool), str(run.config), *arguments]
    environment = {**os.environ, 'OMP_NUM_THREADS': str(threads), 'MKL_NUM_THREADS': str(threads)}
    log = run.folder / 'log.txt'
    started = time.monotonic()
    code, cpu_seconds, memory = processes.run(command, environment, log)
    if code:
        lines = log.read_text(errors='replace').strip().splitlines()
        said = f' ({lines[-1].strip()})' if lines else ''
        raise RuntimeError(
            f'{tool} of {run.name} with seed {run.seed} ended with {code}{said}: see {log}'
        )
    return dict(
        seconds=time.monotonic() - started,
        cpu_seconds=cpu_seconds,
        memory_mib=memory / (2**20 if sys.platform == 'darwin' else 2**10),
    )
