# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check that arguments are in their range."""

from __future__ import annotations

from collections.abc import Collection

from .errors import ArgumentError

#: The largest seed that numpy takes.
MOST_SEED = 2**32 - 1


def require_least(least: float, **values: float | None) -> None:
    """Check that arguments are ``least`` or more; None is not checked.

    Args:
        least (float): The smallest value allowed.
        **values: Values by the arguments' names.

    Raises:
        ArgumentError: If one is smaller or NaN.
    """
    for name, value in values.items():
        if value is not None and not value >= least:
            raise ArgumentError(
                '{} must be {least} or more, not {value}', name, least=least, value=value
            )


def require_range(low: float, high: float, **values: float | None) -> None:
    """Check that arguments are ``low`` to ``high``; None is not checked.

    Args:
        low, high (float): The smallest and the largest value allowed.
        **values: Values by the arguments' names.

    Raises:
        ArgumentError: If one is outside or NaN.
    """
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            raise ArgumentError(
                '{} must be {low} to {high}, not {value}', name, low=low, high=high, value=value
            )


def require_number(**values: float | None) -> None:
    """Check that arguments are not NaN; None is not checked.

    Args:
        **values: Values by the arguments' names.

    Raises:
        ArgumentError: If one is NaN.
    """
    for name, value in values.items():
        if value is not None and value != value:
            raise ArgumentError('{} must be a number, not {value}', name, value=value)


def require_one_of(known: Collection[str], **values: str) -> None:
    """Check that arguments are among the known names.

    Args:
        known (Collection[str]): The names.
        **values: Values by the arguments' names.

    Raises:
        ArgumentError: If one is not.
    """
    for name, value in values.items():
        if value not in known:
            names = ', '.join(known)
            raise ArgumentError(
                '{} must be one of {known}, not {value!r}', name, known=names, value=value
            )
