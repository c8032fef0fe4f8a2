# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Compute means over seeds and paired intervals over people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .finished import Finished

RESAMPLINGS = 2000
COSTS = ('seconds', 'cpu_seconds', 'memory_mib')


@dataclass(frozen=True)
class Comparison:
    """The results of one config, and their difference from the baseline.

    Attributes:
        name (str): The config's stem.
        seeds (int): Number of finished runs.
        mean (float): Mean over the seeds of the percentage of correct keypoints.
        spread (float): Standard deviation over the seeds (n - 1); NaN for one seed.
        difference (float): ``mean`` minus the baseline's mean.
        low, high (float): 95 % interval of the difference over people.
        seconds, cpu_seconds, memory_mib (float): Medians of a training's wall time, processor time
            and peak memory; NaN if all were interrupted.
        environments (str): Processors and versions; different ones are joined by ``'; '``.
    """

    name: str
    seeds: int
    mean: float
    spread: float
    difference: float
    low: float
    high: float
    seconds: float
    cpu_seconds: float
    memory_mib: float
    environments: str


def compare(
    runs: Sequence[Finished], baseline: str, resamplings: int = RESAMPLINGS
) -> list[Comparison]:
    """Compare the finished runs of several configs.

    The interval is a percentile bootstrap: people are drawn with replacement, the same ones for
    both configs, and each config's percentage is a mean over its seeds.

    Args:
        runs (Sequence[Finished]): Runs of all configs.
        baseline (str): The name that the others are compared with.
        resamplings (int): Number of bootstrap samples. Defaults to 2000.

    Returns:
        list[Comparison]: One per config, in the order of their first runs.

    Raises:
        ValueError: If the baseline has no finished run, or two runs tested different people.
    """
    by_name: dict[str, list[Finished]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    if baseline not in by_name:
        raise ValueError(f'the baseline {baseline!r} has no finished run')
    labeled = by_name[baseline][0].labeled
    for run in runs:
        if run.labeled != labeled:
            raise ValueError(f'{run.name} was tested on other people than {baseline}')
    total = np.array(labeled)
    counted = total > 0
    draws = np.random.default_rng(0).integers(0, counted.sum(), (resamplings, counted.sum()))

    def percent(name: str) -> np.ndarray:
        correct = np.mean([run.correct for run in by_name[name]], 0)[counted]
        return 100 * correct[draws].sum(1) / total[counted][draws].sum(1)

    base, found = percent(baseline), []
    center = np.mean([run.percent for run in by_name[baseline]])
    for name, members in by_name.items():
        each = np.array([run.percent for run in members])
        low, high = np.percentile(percent(name) - base, [2.5, 97.5])
        found.append(
            Comparison(
                name=name,
                seeds=len(members),
                mean=float(each.mean()),
                spread=float(each.std(ddof=1)) if len(each) > 1 else float('nan'),
                difference=float(each.mean() - center),
                low=float(low),
                high=float(high),
                **{cost: _median(members, cost) for cost in COSTS},
                environments='; '.join(sorted({run.environment for run in members})),
            )
        )
    return found


def _median(runs: Sequence[Finished], cost: str) -> float:
    """Return the median of the known values; NaN without any."""
    known = [value for value in (getattr(run, cost) for run in runs) if value == value]
    return float(np.median(known)) if known else float('nan')
