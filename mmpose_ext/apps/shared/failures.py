# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Failure lists and exit status of commands that continue after a bad input."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mmpose_ext.apps.shared.inputs import Failure


def report_failures(failures: Sequence[Failure]) -> int:
    """List what failed on the standard error stream; return the exit status, 0 or 1."""
    if failures:
        print(f'{len(failures)} failed, all others are done:', file=sys.stderr)
    for failure in failures:
        print(f'  {failure}', file=sys.stderr)
    return 1 if failures else 0
