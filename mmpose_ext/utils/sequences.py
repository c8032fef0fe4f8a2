# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Helpers for sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

_MISSING = object()


def zip_equal(*iterables: Iterable) -> Iterator[tuple]:
    """Zip like ``zip(..., strict=True)``, which needs Python 3.10.

    Args:
        *iterables (Iterable): The iterables to combine.

    Yields:
        tuple: One item from each.

    Raises:
        ValueError: If one ends before another.
    """
    for items in zip_longest(*iterables, fillvalue=_MISSING):
        if any(item is _MISSING for item in items):
            raise ValueError(f'zip_equal: {len(iterables)} sequences differ in length')
        yield items
