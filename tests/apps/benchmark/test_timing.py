# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Turns, clocks and statistics, with fake clocks."""

import pytest

from mmpose_ext.apps.benchmark.rows import make_rows
from mmpose_ext.apps.benchmark.timing import (
    median_ratio,
    quartiles,
    synchronizer,
    take_turns,
    timed,
)


class FakeClock:
    """A clock that moves only when a test moves it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, seconds):
        def call():
            self.now += seconds

        return call


def test_each_run_all_contestants_take_a_turn():
    order = []
    measures = {name: lambda name=name: order.append(name) or len(order) for name in 'abc'}
    results = take_turns(measures, runs=2, warmup=2)
    assert ''.join(order) == 'aabbcc' + 'abc' + 'abc'
    assert results == dict(a=[7, 10], b=[8, 11], c=[9, 12])


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match='runs must be 1 or more'):
        take_turns({}, runs=0)


def test_timed_is_the_mean_of_its_repeats_and_waits_for_the_device():
    clock = FakeClock()
    waits = []
    wait = lambda: (waits.append(clock.now), clock.taking(0.5)())  # noqa: E731
    measure = timed(clock.taking(2.0), clock, wait, repeats=4)
    assert measure() == pytest.approx((4 * 2.0 + 0.5) / 4)  # the wait does not count
    assert waits == [0.0, 8.5]


def test_nothing_to_wait_for_on_a_cpu():
    assert synchronizer('cpu') is None


def test_ratio_is_that_of_the_same_run():
    # the machine is twice as slow in the second run: the ratio of the medians would be 3 or more
    assert median_ratio([3.0, 6.0, 3.3], [1.0, 2.0, 1.1]) == pytest.approx(3.0)
    assert median_ratio([1, 100, 1], [2, 1, 2]) == 0.5
    with pytest.raises(ValueError):
        median_ratio([1.0], [1.0, 2.0])


def test_quartiles():
    assert quartiles([5.0]) == (5.0, 5.0, 5.0)
    assert quartiles([4.0, 1.0, 2.0, 3.0, 5.0]) == (2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ('unit', 'median', 'speed'),
    [('ms', 2000.0, 2.0), ('us per sample', 500_000.0, 2.0), ('MiB', 2.0, None)],
)
def test_units_of_rows(unit, median, speed):
    first, second = make_rows(dict(ours=[2.0], peer=[1.0]), 'config', 'c', 'step', unit, batch=4)
    assert (first.median, first.ratio, first.samples_per_second) == (median, 1.0, speed)
    assert (second.contestant, second.ratio, second.runs) == ('peer', 0.5, 1)
