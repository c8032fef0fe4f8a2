# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw losses, learning rates and metrics from the logs that mmengine writes."""

from __future__ import annotations

import io
import json
import math
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Dict

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mmpose_ext.utils.atomic_files import write_atomically
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.sequences import zip_equal

LOG_NAME = 'scalars.json'
#: Not drawn: they describe the machine or are the abscissa.
LEFT_OUT = ('time', 'data_time', 'memory', 'epoch', 'iter', 'step', 'base_lr', 'momentum')

Curves = Dict[str, np.ndarray]


def read_scalars(work_dir: str | os.PathLike) -> tuple[Curves, str]:
    """Read all runs of a work dir as one training; a resumed run continues at its first step.

    Args:
        work_dir (str | os.PathLike): A work dir of mmengine, or a ``scalars.json``.

    Returns:
        tuple: For each scalar an array (n, 2) of increasing positions and values, and the unit of
        the positions: ``'epoch'``, with fractions for values logged within an epoch, or
        ``'iteration'``.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If the logs hold no numbers.
    """
    path = Path(work_dir)
    # the folders' names are the times of the runs
    files = [path] if path.is_file() else sorted(path.rglob(f'vis_data/{LOG_NAME}'))
    if not files:
        raise FileNotFoundError(
            f'{work_dir} holds no */vis_data/{LOG_NAME}: give a work dir of mim train or '
            f'tools/train.py (with LocalVisBackend), or a {LOG_NAME}'
        )
    runs = [_records(file) for file in files]
    by_epoch = all('epoch' in r for run in runs for r in run if 'iter' in r)
    length = _epoch_length([r for run in runs for r in run]) if by_epoch else 1.0
    points: dict[str, dict[float, float]] = defaultdict(dict)
    for run in runs:
        _add_run(points, run, by_epoch, length)
    curves = {
        name: np.array(sorted(values.items())) for name, values in sorted(points.items()) if values
    }
    if not curves:
        raise ValueError(f'{work_dir}: its logs hold no numbers yet')
    return curves, 'epoch' if by_epoch else 'iteration'


def draw_curves(
    work_dirs: Sequence[str | os.PathLike],
    out_file: str | os.PathLike,
    log: bool = False,
    names: Sequence[str] | None = None,
) -> Path:
    """Draw the curves of one or more trainings to one PNG file.

    There is one panel per scalar (losses first, then learning rates, then metrics) and one line per
    work dir.

    Args:
        work_dirs (Sequence[str | os.PathLike]): See :func:`read_scalars`.
        out_file (str | os.PathLike): The picture, written completely or not at all.
        log (bool): Whether the losses have logarithmic axes. Defaults to False.
        names (Sequence[str], optional): The scalars to draw, in this order. Defaults to all.

    Raises:
        FileNotFoundError: If a work dir has no log.
        ValueError: If a log holds no numbers, no training has one of ``names``, or epochs and
            iterations would share an axis.
    """
    trainings = {name: read_scalars(name) for name in dict.fromkeys(map(str, work_dirs))}
    units = {unit for _, unit in trainings.values()}
    if len(units) != 1:
        raise ValueError('some trainings count epochs and others iterations: draw them separately')
    labels = _labels(list(trainings))
    known = sorted({n for curves, _ in trainings.values() for n in curves}, key=_panel_order)
    names = list(names) if names else known
    if unknown := [name for name in names if name not in known]:
        raise ArgumentError(
            '{}: no training logs {unknown}; the folder has: {known}',
            'names',
            unknown=', '.join(unknown),
            known=', '.join(known),
        )
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), dpi=100, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    colors = matplotlib.colormaps['tab10'].colors
    for axis, name in zip(axes, names):
        for number, (work_dir, (curves, _)) in enumerate(trainings.items()):
            if name in curves:
                marker = 'o' if len(curves[name]) < 30 else None
                color = colors[number % len(colors)]
                axis.plot(*curves[name].T, color=color, marker=marker, ms=3, label=labels[work_dir])
        axis.set_title(name, fontsize=10)
        axis.set_xlabel(units.copy().pop(), fontsize=8)
        axis.tick_params(labelsize=8, which='both')
        axis.grid(alpha=0.3)
        if log and 'loss' in name:
            axis.set_yscale('log')
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    if len(trainings) > 1:
        handles = [
            matplotlib.lines.Line2D([], [], color=colors[n % len(colors)], label=label)
            for n, label in enumerate(labels.values())
        ]
        figure.legend(handles=handles, loc='outside lower center', fontsize=8, ncols=1)
    data = io.BytesIO()
    figure.savefig(data, format='png')
    write_atomically(Path(out_file), data.getvalue())
    return Path(out_file)


def _records(file: Path) -> list[dict]:
    """Return a log's lines without an incomplete one that a killed training left."""
    records = []
    for line in file.read_text(errors='replace').splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _epoch_length(records: list[dict]) -> float:
    """Return the iterations per epoch, as the largest number consistent with the lines."""
    return max(
        (math.ceil(r['iter'] / r['epoch']) for r in records if r.get('epoch') and r.get('iter')),
        default=1,
    )


def _add_run(points: dict, records: list[dict], by_epoch: bool, length: float) -> None:
    """Add a run's values, and drop those of earlier runs from its first position on."""
    places = []
    for record in records:
        if 'iter' in record and by_epoch:
            low, high = record['epoch'] - 1, record['epoch']
            places.append(min(max(record['iter'] / length, low), high))
        else:
            places.append(float(record.get('iter', record.get('step', 0))))
    first = min(places, default=math.inf)
    for values in points.values():
        for place in [place for place in values if place >= first]:
            del values[place]
    for place, record in zip_equal(places, records):
        for name, value in record.items():
            if name not in LEFT_OUT and isinstance(value, (int, float)):
                points[name][place] = float(value)


def _panel_order(name: str) -> tuple:
    """Sort losses first (the total before its parts), then learning rates, then metrics."""
    kind = 0 if 'loss' in name else 1 if name.split('/')[-1] == 'lr' else 2
    return kind, name != 'loss', name


def _labels(work_dirs: list[str]) -> dict[str, str]:
    """Return the folders' names, or their paths if two folders have the same name."""
    names = [Path(work_dir).resolve().name for work_dir in work_dirs]
    unique = len(set(names)) == len(names)
    return {d: name if unique else d for d, name in zip_equal(work_dirs, names)}
