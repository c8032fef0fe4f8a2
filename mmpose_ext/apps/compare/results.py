# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Means over seeds and paired intervals over people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .runs import Run

RESAMPLINGS = 2000


@dataclass(frozen=True)
class Comparison:
    """One config's result and its difference from the baseline.

    Attributes:
        name (str): The config's stem.
        seeds (int): Number of finished runs.
        mean (float): Mean over the seeds of the percentage of correct keypoints.
        spread (float): Standard deviation over the seeds (n - 1); NaN for one seed.
        difference (float): ``mean`` minus the baseline's.
        low, high (float): 95 % interval of the difference over people.
        seconds (float): Median wall time of a training in seconds.
    """

    name: str
    seeds: int
    mean: float
    spread: float
    difference: float
    low: float
    high: float
    seconds: float


def compare(runs: Sequence[Run], baseline: str, resamplings: int = RESAMPLINGS) -> list[Comparison]:
    """Compare the finished runs of several configs.

    The interval is a percentile bootstrap: people are drawn with replacement, the same ones for
    both configs, and each config's percentage is a mean over its seeds.

    Args:
        runs (Sequence[Run]): Runs of all configs; unfinished ones are ignored.
        baseline (str): The name that the others are compared with.
        resamplings (int): Number of bootstrap samples. Defaults to 2000.

    Returns:
        list[Comparison]: One per config with a finished run, in the order of the runs.

    Raises:
        ValueError: If the baseline has no finished run, or two runs tested different people.
    """
    by_name: dict = {}
    for run in runs:
        if run.is_finished():
            by_name.setdefault(run.name, []).append(run)
    if baseline not in by_name:
        raise ValueError(f'the baseline {baseline!r} has no finished run')
    counts = {name: _counts(found) for name, found in by_name.items()}
    people = counts[baseline].shape[1]
    draws = np.random.default_rng(0).integers(0, people, (resamplings, people))
    base, center = _percent(counts[baseline], draws), _of_seeds(counts[baseline]).mean()
    found = []
    for name, members in by_name.items():
        if counts[name].shape[1] != people:
            raise ValueError(f'{name} was tested on other people than {baseline}')
        each = _of_seeds(counts[name])
        low, high = np.percentile(_percent(counts[name], draws) - base, [2.5, 97.5])
        seconds = [json.loads(run.costs.read_text())['seconds'] for run in members]
        found.append(
            Comparison(
                name=name,
                seeds=len(members),
                mean=float(each.mean()),
                spread=float(each.std(ddof=1)) if len(each) > 1 else float('nan'),
                difference=float(each.mean() - center),
                low=float(low),
                high=float(high),
                seconds=float(np.median(seconds)),
            )
        )
    return found


def _counts(runs: Sequence[Run]) -> np.ndarray:
    """Correct and labelled keypoints of each person: (seeds, people, 2)."""
    tables = []
    for run in runs:
        content = sorted(json.loads(run.people.read_text()), key=lambda person: person['id'])
        tables.append([[person['correct'], person['labelled']] for person in content])
    if len({len(table) for table in tables}) != 1:
        raise ValueError(f'the runs of {runs[0].name} were tested on different people')
    return np.array(tables, float)


def _of_seeds(counts: np.ndarray) -> np.ndarray:
    """Return each seed's percentage (seeds,)."""
    return 100 * counts[..., 0].sum(1) / counts[..., 1].sum(1)


def _percent(counts: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the mean percentage over seeds in each resampling (R,)."""
    sums = np.stack([table[draws].sum(1) for table in counts])  # seeds, R, 2
    return (100 * sums[..., 0] / sums[..., 1]).mean(0)
