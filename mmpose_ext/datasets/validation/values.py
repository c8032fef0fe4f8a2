# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check single JSON values, and read lists of numbers as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

LARGEST = float(np.finfo(np.float32).max)  # samples are float32


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is an int or float, but not a bool, that is finite as float32."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -LARGEST <= value <= LARGEST


def is_id(value: object) -> bool:
    """Return whether a value can be an id: an integer of 64 bits, including 1.0."""
    return is_number(value) and value == int(value) and -(2**63) <= value < 2**63


def is_crowd_mark(value: object) -> bool:
    """Return whether a value is 0, 1, True or False."""
    return isinstance(value, (bool, int, float)) and value in (0, 1)


def is_row(value: object, length: int | None = None) -> TypeGuard[Sequence[Any]]:
    """Return whether a value is a list or tuple, of ``length`` if given."""
    return isinstance(value, (list, tuple)) and (length is None or len(value) == length)


def shorten(value: object, length: int = 60) -> str:
    """Format a value in at most about ``length`` characters, for a message."""
    if isinstance(value, (list, tuple)) and len(value) > length:
        value = value[:length]
    text = (
        repr(value) if not isinstance(value, str) or len(value) < length else repr(value[:length])
    )
    return text if len(text) <= length else f'{text[: length - 3]}...'


def to_matrix(rows: Sequence[Sequence], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Convert rows of JSON values to an array.

    Args:
        rows (Sequence[Sequence]): N rows of ``width`` values.
        width (int): The length of each row.

    Returns:
        tuple: The array (N, width), float64, in which null and values beyond float32 are NaN or
        infinite; and (N,) bool, True for rows with a value that is neither a number nor null.
    """
    count = len(rows) * width
    if set(map(type, chain.from_iterable(rows))) <= {int, float}:
        try:
            flat = np.fromiter(chain.from_iterable(rows), np.float64, count)
            flat[np.abs(flat) > LARGEST] = np.inf
            return flat.reshape(len(rows), width), np.zeros(len(rows), bool)
        except OverflowError:  # an integer beyond float64
            pass
    matrix = np.full((len(rows), width), np.nan)
    odd = np.zeros(len(rows), bool)
    for index, row in enumerate(rows):
        for column, value in enumerate(row):
            if is_number(value):
                matrix[index, column] = value
            elif isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                odd[index] = True
    return matrix, odd
