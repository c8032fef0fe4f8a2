# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Time codecs, networks and loaders, and compare them with mmpose's in one run."""

from .report import draw_plot, to_markdown, write_csv
from .rows import Row
from .runner import PARTS, run_benchmark
from .settings import Settings

__all__ = ['PARTS', 'Row', 'Settings', 'draw_plot', 'run_benchmark', 'to_markdown', 'write_csv']
