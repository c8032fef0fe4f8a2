# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The figures of the contestants, and the order of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .timing import median_ratio, quartiles


@dataclass(frozen=True)
class Row:
    """A measured figure.

    Lower is better, except for AP, AR, the number of people found and the samples per second.

    Attributes:
        part (str): Part of the benchmark.
        config (str): The measured config.
        contestant (str): The config's name, or a peer's.
        measure (str): The measure: 'encode', 'forward', ...
        case (str): The case, if a measure has several: '2 workers', '10 people', or an empty
            string.
        unit (str): Unit of median, low and high.
        median (float): Median over the runs.
        low (float): Lower quartile.
        high (float): Upper quartile.
        ratio (float): Median over the runs of the ratio to the first contestant.
        runs (int): Number of runs.
        batch (int): Samples per batch.
        samples_per_second (float, optional): Set if the figure is the time of a batch or a sample.
    """

    part: str
    config: str
    contestant: str
    measure: str
    case: str
    unit: str
    median: float
    low: float
    high: float
    ratio: float
    runs: int
    batch: int
    samples_per_second: float | None = None


#: Units of time: their seconds, and whether the time is that of a sample or of a whole batch.
TIMES = {
    'us per sample': (1e-6, 'sample'),
    'ms per sample': (1e-3, 'sample'),
    'ms': (1e-3, 'batch'),
}


def make_rows(
    values: Mapping[str, Sequence[float]],
    part: str,
    config: str,
    measure: str,
    unit: str,
    batch: int = 1,
    case: str = '',
) -> list[Row]:
    """Make one row per contestant, with ratios to the first.

    Args:
        values (Mapping[str, Sequence[float]]): Each contestant's figures, run by run. Times are in
            seconds for a whole batch.
        part (str): See :class:`Row`, also for the other arguments.
    """
    scale, per = TIMES.get(unit, (1.0, ''))
    scale *= batch if per == 'sample' else 1
    base = next(iter(values.values()))
    rows = []
    for name, figures in values.items():
        low, median, high = (value / scale for value in quartiles(figures))
        speed = batch / (median * scale) if per and median else None
        ratio = median_ratio(figures, base)
        rows.append(
            Row(
                part, config, name, measure, case, unit, median, low, high, ratio,
                len(figures), batch, speed,
            )
        )  # fmt: skip
    return rows
