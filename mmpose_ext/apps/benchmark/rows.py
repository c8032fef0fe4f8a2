# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""One figure of one contestant, and the tables' order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .timing import median_ratio, quartiles


@dataclass(frozen=True)
class Row:
    """A measured figure; lower is better in all but AP and AR, and in people found the truth.

    Attributes:
        part (str): Which part of the benchmark.
        config (str): The config that is measured.
        contestant (str): The config's name, or a peer's.
        measure (str): What: 'encode', 'forward', ...
        case (str): Of several the one: '2 workers', '10 people', or nothing.
        unit (str): Of median, low and high.
        median (float): Over the runs.
        low (float): Lower quartile.
        high (float): Upper quartile.
        ratio (float): Median over the runs of the value divided by the first contestant's.
        runs (int): How often.
        batch (int): Samples at once.
        samples_per_second (float, optional): Where the figure is the time of a batch or a sample.
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


#: Units of times: seconds in one, and whether it is that of a sample or of a whole batch.
TIMES = {'us a sample': (1e-6, 'sample'), 'ms a sample': (1e-3, 'sample'), 'ms': (1e-3, 'batch')}


def make_rows(
    values: Mapping[str, Sequence[float]],
    part: str,
    config: str,
    measure: str,
    unit: str,
    batch: int = 1,
    case: str = '',
) -> list[Row]:
    """A row for each contestant, with ratios to the first.

    Args:
        values (Mapping[str, Sequence[float]]): For each contestant its figures, run by run; times
            in seconds, of a whole batch.
        part (str): See :class:`Row`, as all that follow.
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
