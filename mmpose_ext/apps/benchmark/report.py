# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write results as a CSV file, Markdown tables and a plot."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmpose_ext.utils.atomic_files import write_atomically

from .rows import Row

ROW_COLUMNS = tuple(field.name for field in fields(Row))
#: Axis labels for numeric cases, by the case's last word.
AXES = {'people': 'people', 'px': 'errors in input pixels'}
MOST_CASES = 2  # a measure with more cases has its own table


def write_csv(
    path: str | os.PathLike, rows: Sequence[Row], environment: dict[str, str], dtype: str
) -> None:
    """Write one line per row with the versions and the hardware, completely or not at all.

    Args:
        path (str | os.PathLike): The file.
        rows (Sequence[Row]): The figures.
        environment (dict[str, str]): See :func:`.environment.describe_environment`.
        dtype (str): Data type of the computation.
    """
    text = io.StringIO()
    columns = [*ROW_COLUMNS, 'dtype', *environment]
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    for row in rows:
        figures = {k: _plain(v) for k, v in asdict(row).items()}
        writer.writerow({**figures, **environment, 'dtype': dtype})
    write_atomically(Path(path), text.getvalue().encode())


def to_markdown(rows: Sequence[Row], environment: dict[str, str], dtype: str) -> str:
    """Make tables of medians, one line per contestant, with ratios to the first in brackets.

    Args:
        rows (Sequence[Row]): The figures of one part.
        environment (dict[str, str]): See :func:`.environment.describe_environment`.
        dtype (str): Data type of the computation.
    """
    runs = max(row.runs for row in rows)
    batch = ', '.join(map(str, sorted({row.batch for row in rows if row.samples_per_second})))
    e = environment
    lines = [
        f'{rows[0].config}: batch {batch or 1}, {dtype}, {e["device"]} ({e["device_name"]}), '
        f'{e["threads"]} thread(s), torch {e["torch"]}, mmcv {e["mmcv"]}, mmpose {e["mmpose"]}, '
        f"mmpose_ext {e['mmpose_ext']}; {runs} run(s); median (times the first row's)"
    ]
    for columns in _tables(rows):
        lines += ['', *_table(rows, columns)]
    return '\n'.join(lines) + '\n'


def draw_plot(path: str | os.PathLike, rows: Sequence[Row], title: str) -> None:
    """Draw one panel per measure to a PNG file: bars, or lines if the cases are numbers.

    Bars and lines are medians; whiskers and bands span the quartiles.

    Args:
        path (str | os.PathLike): The file, written completely or not at all.
        rows (Sequence[Row]): The figures of one part.
        title (str): Title above all panels.
    """
    measures = list(dict.fromkeys((row.measure, row.unit) for row in rows))
    names = list(dict.fromkeys(row.contestant for row in rows))
    colors = dict(zip(names, matplotlib.colormaps['tab10'].colors * 3))
    columns = min(3, len(measures))
    lines = math.ceil(len(measures) / columns)
    figure = Figure(figsize=(4.4 * columns, 2.9 * lines + 0.8), dpi=100, layout='constrained')
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, (measure, unit) in zip(axes, measures):
        of_measure = [row for row in rows if (row.measure, row.unit) == (measure, unit)]
        draw = _draw_lines if of_measure[-1].case.split(' ')[-1] in AXES else _draw_bars
        draw(axis, of_measure, colors)
        axis.set_title(measure, fontsize=10)
        axis.set_ylabel(unit, fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3, axis='y')
    for axis in axes[len(measures) :]:
        axis.set_axis_off()
    handles = [matplotlib.patches.Patch(color=colors[name], label=name) for name in names]
    figure.legend(handles=handles, loc='outside lower center', fontsize=8, ncols=min(3, len(names)))
    figure.suptitle(title, fontsize=9)
    data = io.BytesIO()
    figure.savefig(data, format='png')
    write_atomically(Path(path), data.getvalue())


def _draw_bars(axis: Axes, rows: Sequence[Row], colors: dict) -> None:
    """Draw one group of bars per case."""
    cases = list(dict.fromkeys(row.case for row in rows))
    names = list(dict.fromkeys(row.contestant for row in rows))
    width = 0.8 / len(names)
    for row in rows:
        x = cases.index(row.case) + (names.index(row.contestant) - (len(names) - 1) / 2) * width
        whiskers = [[row.median - row.low], [row.high - row.median]]
        axis.bar(x, row.median, width, yerr=whiskers, color=colors[row.contestant], capsize=2)
    axis.set_xticks(range(len(cases)), cases)


def _draw_lines(axis: Axes, rows: Sequence[Row], colors: dict) -> None:
    """Draw one line per contestant over the numeric cases."""
    for name in dict.fromkeys(row.contestant for row in rows):
        own = [row for row in rows if row.contestant == name]
        places = [float(row.case.split()[0]) for row in own]
        axis.plot(places, [row.median for row in own], color=colors[name], marker='o', ms=3)
        low, high = [row.low for row in own], [row.high for row in own]
        axis.fill_between(places, low, high, color=colors[name], alpha=0.2)
    axis.set_xlabel(AXES[rows[-1].case.split(' ')[-1]], fontsize=8)
    axis.set_ylim(bottom=0)


def _tables(rows: Sequence[Row]) -> list[list[tuple[str, str, str]]]:
    """Return the columns (measure, case, unit) of each table."""
    columns = list(dict.fromkeys((row.measure, row.case, row.unit) for row in rows))
    number = {m: sum(column[0] == m for column in columns) for m, _, _ in columns}
    tables = [[c for c in columns if number[c[0]] <= MOST_CASES]]
    tables += [[c for c in columns if c[0] == m] for m in number if number[m] > MOST_CASES]
    return [table for table in tables if table]


def _table(rows: Sequence[Row], columns: Sequence[tuple[str, str, str]]) -> list[str]:
    cells = {(row.contestant, row.measure, row.case, row.unit): row for row in rows}
    names = [
        n
        for n in dict.fromkeys(r.contestant for r in rows)
        if any((n, *c) in cells for c in columns)
    ]
    heads = [', '.join(part for part in column if part) for column in columns]
    lines = ['| | ' + ' | '.join(heads) + ' |', '| --- ' * (len(heads) + 1) + '|']
    for name in names:
        figures = (_cell(cells.get((name, *column))) for column in columns)
        lines.append(f'| {name} | ' + ' | '.join(figures) + ' |')
    return lines


def _cell(row: Row | None) -> str:
    return '-' if row is None else f'{_short(row.median)} ({row.ratio:.2f})'


def _short(value: float) -> str:
    """Format a number with three digits, and with all digits before the point."""
    if value == 0 or abs(value) >= 100:
        return f'{value:,.0f}'
    return f'{value:.{2 - math.floor(math.log10(abs(value)))}f}'


def _plain(value: object) -> object:
    if value is None:
        return ''
    return f'{value:.6g}' if isinstance(value, float) else value
