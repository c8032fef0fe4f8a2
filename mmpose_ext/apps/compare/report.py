# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write a comparison as a CSV file, a Markdown table and a plot."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from matplotlib.figure import Figure

from mmpose_ext.apps.complexity import Complexity
from mmpose_ext.utils.atomic_files import write_atomically

from .results import Comparison


def write_csv(
    path: str | os.PathLike,
    rows: Sequence[Comparison],
    costs: dict[str, Complexity],
) -> None:
    """Write one line per config, with its parameters and multiply-adds.

    Args:
        path (str | os.PathLike): The file, written completely or not at all.
        rows (Sequence[Comparison]): The figures.
        costs (dict[str, Complexity]): Each config's complexity, by name.
    """
    text = io.StringIO()
    columns = [field.name for field in fields(Comparison)]
    writer = csv.DictWriter(text, [*columns, 'params_m', 'gmacs'], lineterminator='\n')
    writer.writeheader()
    for row in rows:
        figures = {key: _plain(value) for key, value in asdict(row).items()}
        cost = costs[row.name]
        sizes = dict(params_m=_plain(cost.params / 1e6), gmacs=_plain(cost.gmacs))
        writer.writerow({**figures, **sizes})
    write_atomically(Path(path), text.getvalue().encode())


def to_markdown(rows: Sequence[Comparison], costs: dict[str, Complexity], baseline: str) -> str:
    """Return the comparison as a Markdown table; cells of unknown values are empty."""
    lines = [
        f'| config | params M | GMACs | core min | MiB | seeds | PCK | spread | above {baseline} '
        '(95 %) |',
        '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for row in rows:
        cost = costs[row.name]
        cells = [
            row.name,
            f'{cost.params / 1e6:.2f}',
            f'{cost.gmacs:.2f}',
            _known(row.cpu_seconds / 60, '.0f'),
            _known(row.memory_mib, '.0f'),
            str(row.seeds),
            f'{row.mean:.1f}',
            _known(row.spread, '.1f'),
            f'{row.difference:+.1f} ({row.low:+.1f} to {row.high:+.1f})',
        ]
        if row.name == baseline:
            cells[-1] = ''
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def draw_plot(path: str | os.PathLike, rows: Sequence[Comparison], baseline: str) -> None:
    """Draw each config's difference from the baseline with its interval, as a PNG file."""
    figure = Figure(figsize=(7, 0.8 + 0.4 * len(rows)), layout='constrained')
    axes = figure.subplots()
    places = range(len(rows))
    axes.errorbar(
        [row.difference for row in rows],
        places,
        xerr=[
            [row.difference - row.low for row in rows],
            [row.high - row.difference for row in rows],
        ],
        fmt='o',
        capsize=3,
    )
    axes.set_yticks(places, [row.name for row in rows])
    axes.invert_yaxis()
    axes.axvline(0, color='gray', linewidth=0.8)
    axes.set_xlabel(f'percentage points above {baseline}, 95 % interval over people')
    picture = io.BytesIO()
    figure.savefig(picture, format='png', dpi=120)
    write_atomically(Path(path), picture.getvalue())


def _known(value: float, form: str) -> str:
    return '' if math.isnan(value) else format(value, form)


def _plain(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
