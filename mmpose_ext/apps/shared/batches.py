# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Tools for processing many images: batches, progress and the results file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmpose_ext.utils.atomic_files import write_atomically

#: Images or people per batch of a model, by default.
BATCH_SIZE = 8


def write_results(path: str | os.PathLike, results: Iterable[dict]) -> None:
    """Write a JSON list with one entry per line, completely or not at all."""
    lines = ',\n'.join(json.dumps(result) for result in results)
    write_atomically(Path(path), f'[\n{lines}\n]\n'.encode() if lines else b'[]\n')


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Yield lists of ``size`` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def progress_bar(shown: bool) -> Progress:
    """Return a progress bar on the standard error stream; standard output is for results."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
