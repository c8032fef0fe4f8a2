# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Run one call of the benchmark: from a config to rows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from mmpose_ext.apps.shared.configs import read_config
from mmpose_ext.apps.shared.devices import check_device
from mmpose_ext.apps.shared.model_checks import default_scope
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import require_one_of

from .contestants import Contestant
from .crowds import measure_crowds
from .fast_steps import PART as FAST_STEPS
from .fast_steps import measure_fast_steps
from .memory import PARTS as PROCESS_PARTS
from .memory import measure_in_processes
from .noise import PART as NOISE
from .noise import measure_noise
from .peers import peers_of
from .rows import Row
from .sample_steps import PART as LOADING
from .sample_steps import measure_loading
from .settings import Settings
from .suite import ConfigBenchmark

PARTS = ('config', *PROCESS_PARTS, 'people', NOISE, FAST_STEPS, LOADING)


def run_benchmark(
    config: str | os.PathLike,
    settings: Settings,
    part: str = 'config',
    peers: Sequence[str] | None = None,
    options: dict | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], list[str]]:
    """Measure a config and its peers.

    Args:
        config (str | os.PathLike): A config of mmpose or of this package.
        settings (Settings): The settings.
        part (str): One of PARTS. 'config' measures all of ``settings.measures``; for the others see
            :func:`.memory.measure_in_processes`, :func:`.crowds.measure_crowds`,
            :func:`.noise.measure_noise` and :func:`.fast_steps.measure_fast_steps`; 'loading' is
            :func:`.sample_steps.measure_loading`. Defaults to ``'config'``.
        peers (Sequence[str], optional): Configs to compare with, instead of mmpose's nearest.
        options (dict, optional): Merged into the config, as ``--cfg-options``.
        tell (Callable): Called with a description of each measurement. Defaults to no call.

    Returns:
        tuple[list[Row], list[str]]: The figures, and what was not measured and why.

    Raises:
        FileNotFoundError: If a config is missing.
        ValueError: If there is nothing to measure, or no such part or device.
    """
    require_one_of(PARTS, part=part)
    check_device(settings.device)
    with default_scope('mmpose'), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        ours = load_contestant(config, options)
        if peers:
            others = [load_contestant(peer, None) for peer in peers]
        else:
            others = peers_of(ours)
        notes = [] if others else [f'mmpose has nothing similar to {ours.name}: measured alone']
        contestants = [ours, *others]
        names = [contestant.name for contestant in contestants]
        if len(set(names)) < len(names):
            raise ArgumentError(
                '{}: configs must have different names, not {names}',
                'peers',
                names=', '.join(names),
            )
        if part in PROCESS_PARTS:
            rows = measure_in_processes(
                part, contestants, ours.name, settings.runs, settings.batch, settings.device
            )
        elif part == 'people':
            rows = measure_crowds(
                ours,
                ours.name,
                settings.people,
                settings.runs,
                settings.batch,
                settings.noise,
                settings.clock,
            )
        elif part == NOISE:
            rows = measure_noise(ours, ours.name, settings, tell)
        elif part == LOADING:
            rows, more = measure_loading(contestants, ours.name, settings, tell)
            notes += more
        elif part == FAST_STEPS:
            rows = measure_fast_steps(ours, ours.name, settings, tell)
        else:
            benchmark = ConfigBenchmark(contestants, ours.name, settings, tell)
            rows, notes = benchmark.run(), notes + benchmark.notes
    if not rows:
        slots = {f'note{i}': note for i, note in enumerate(notes)}
        told = '; '.join(f'{{{slot}}}' for slot in slots)
        raise ArgumentError(f'nothing was measured: {told}', **slots)
    return rows, notes


def load_contestant(config: str | os.PathLike, options: dict | None) -> Contestant:
    """Load the contestant of a config file, named after the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a config or has nothing to measure.
    """
    return Contestant.from_config(read_config(config, options), Path(config).stem)
