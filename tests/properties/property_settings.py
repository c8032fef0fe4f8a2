# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The number of cases per property: a few in `make test`, thousands in `make test-long`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

#: Cases of the long run by property, ``module.function``; filled where properties are defined.
LONG_CASES: dict[str, int] = {}

COMMON = settings(
    deadline=None,  # other processes may take the processor
    database=None,  # nothing is left in the checkout
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def holds_for(quick: int = 12, long: int = 700, **strategies: SearchStrategy) -> Callable:
    """Make a test of a property with generated arguments.

    The quick test tries the same cases each time, and the long one new cases. A failing case is
    printed with a line that repeats it.

    Args:
        quick (int): Cases in the quick suite.
        long (int): Cases in the long run.
        **strategies: Strategies for the property's arguments.
    """

    def decorate(check: Callable) -> Callable:
        LONG_CASES[f'{check.__module__}.{check.__name__}'] = long

        @pytest.mark.parametrize('cases', [quick, pytest.param(long, marks=pytest.mark.long)])
        def test(cases: int) -> None:
            tried = 0

            def counted(**arguments) -> None:
                nonlocal tried
                tried += 1
                check(**arguments)

            counted.__name__ = counted.__qualname__ = check.__name__
            chosen = settings(COMMON, max_examples=cases, derandomize=cases == quick)
            chosen(given(**strategies)(counted))()
            assert tried >= cases, f'only {tried} of {cases} cases were generated'

        test.__name__, test.__doc__, test.__module__ = (
            check.__name__,
            check.__doc__,
            check.__module__,
        )
        return test

    return decorate
