# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Helpers for sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

_MISSING = object()


def zip_equal(*iterables: Iterable) -> Iterator[tuple]:
    """``zip(..., strict=True)``, which Python has from 3.10 on.

    Args:
        *iterables (Iterable): What to go through side by side.

    Yields:
        tuple: One item of each.

    Raises:
        ValueError: When one ends before another.
    """
    for items in zip_longest(*iterables, fillvalue=_MISSING):
        if any(item is _MISSING for item in items):
            raise ValueError(f'zip_equal: {len(iterables)} sequences differ in length')
        yield items
