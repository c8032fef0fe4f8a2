# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Interleave measurements: each run times every contestant once, under equal conditions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Callable, TypeVar

import torch

from mmpose_ext.utils.ranges import require_least
from mmpose_ext.utils.sequences import zip_equal

T = TypeVar('T')
K = TypeVar('K', bound=Hashable)
Clock = Callable[[], float]

#: 'wall' is elapsed time. 'thread' is the calling thread's CPU time, which excludes other processes
#: on a busy machine; use it only for work of one thread on the CPU.
WALL = 'wall'
CLOCKS: dict[str, Clock] = {WALL: time.perf_counter, 'thread': time.thread_time}


def take_turns(
    measures: Mapping[K, Callable[[], T]], runs: int, warmup: int = 1
) -> dict[K, list[T]]:
    """Measure all contestants, one after another within each run.

    Args:
        measures (Mapping[Hashable, Callable]): Functions that measure each contestant once.
        runs (int): Number of measurements of each.
        warmup (int): Number of measurements of each beforehand, which do not count. Defaults to 1.

    Returns:
        dict[Hashable, list]: Each contestant's ``runs`` results, in order.

    Raises:
        ArgumentError: If there are no runs.
    """
    require_least(1, runs=runs)
    for measure in measures.values():
        for _ in range(warmup):
            measure()
    results: dict[K, list[T]] = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            results[name].append(measure())
    return results


def timed(
    call: Callable[[], object],
    clock: Clock = time.perf_counter,
    synchronize: Callable[[], None] | None = None,
    repeats: int = 1,
) -> Callable[[], float]:
    """Return a function that returns the seconds of one call, as the mean of ``repeats`` calls.

    Args:
        call (Callable): The function to time.
        clock (Callable): Returns the time in seconds. Defaults to :func:`time.perf_counter`.
        synchronize (Callable, optional): Waits for the device before the clock is read.
        repeats (int): Number of calls between two readings of the clock. Defaults to 1.
    """

    def measure() -> float:
        if synchronize:
            synchronize()
        start = clock()
        for _ in range(repeats):
            call()
        if synchronize:
            synchronize()
        return (clock() - start) / repeats

    return measure


def synchronizer(device: torch.device | str) -> Callable[[], None] | None:
    """Return a function that waits for a device's work to finish; None for the CPU."""
    device = torch.device(device)
    if device.type == 'cpu':
        return None
    return lambda: getattr(torch, device.type).synchronize(device)


def median_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median over the runs of a value divided by the base value of the same run.

    Raises:
        ValueError: If their numbers of runs differ.
    """
    pairs = zip_equal(values, base)
    return statistics.median(one / other if other else float('nan') for one, other in pairs)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile; a single value is returned three times."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method='inclusive')
    return low, middle, high
