# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Without the notes of mmpose and mmdet that nobody can do anything about."""

from __future__ import annotations

import io
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import Iterator

# onedl-mmdetection: some of its data sets need a package that is not public
_NOTES = ('Could not import OneDL. Skipping OneDL datasets.',)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop what is known of mmdet's prints from the imports in a ``with`` block."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        lines = printed.getvalue().splitlines(keepends=True)
        sys.stdout.write(''.join(line for line in lines if line.strip() not in _NOTES))


def ignore_metainfo_note() -> None:
    """Ignore that mmpose finds its own ``configs/_base_/datasets`` where it is installed."""
    warnings.filterwarnings('ignore', 'The metainfo config file ".*configs/_base_/datasets/')
