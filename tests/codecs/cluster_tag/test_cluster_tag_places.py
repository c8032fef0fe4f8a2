# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Matching peaks to joints and to people agrees with slow references and with scipy."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mmpose_ext.codecs.cluster_tag.matching import match_rows, match_rows_in_numpy
from mmpose_ext.codecs.cluster_tag.places import find_references, match_places


def slow_reference(tags, cluster, sizes, delta):
    """Compute the reference of one person's peaks, candidate by candidate and peak by peak."""
    best, least = None, np.inf
    for candidate in [t - d * delta for t, c in zip(tags, cluster) for d in range(sizes[c])]:
        cost, places = 0.0, []
        for tag, c in zip(tags, cluster):
            offset = (tag - candidate) / delta
            place = min(max(round(offset), 0), sizes[c] - 1)
            cost += min(abs(offset - place), 2) - 1e-3 * abs(place - (sizes[c] - 1) / 2)
            cost += (c, place) in places[-1:]
            places.append((c, place))
        if cost < least - 1e-9:
            best, least = candidate, cost
    near = [(tag - best) / delta for tag in tags]
    shifts = [o - min(max(round(o), 0), sizes[c] - 1) for o, c in zip(near, cluster)]
    fitting = [shift for shift in shifts if abs(shift) <= 0.5]
    return best + delta * sum(fitting) / max(len(fitting), 1)


def test_references_are_the_slow_ones():
    """References agree for people with 3 clusters, noisy tags and missing peaks, all at once."""
    rng, sizes, delta = np.random.default_rng(0), np.array([5, 6, 6]), 0.3
    cluster = np.repeat(np.arange(3), sizes)
    places = np.concatenate([np.arange(size) for size in sizes])
    tags = rng.normal(0, 8, (60, 1)) + places * delta + rng.normal(0, 0.08, (60, 17))
    tags = np.concatenate([np.sort(part) for part in np.split(tags, [5, 11], 1)], 1)
    present = rng.random((60, 17)) < 0.6
    present[:, 3] = True
    found = find_references(tags, present, sizes[cluster], cluster, delta)
    for person, reference in enumerate(found):
        own = present[person]
        slow = slow_reference(tags[person, own], cluster[own], sizes, delta)
        assert reference == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize(
    'offsets, places',
    [
        ([0, 1, 2], [0, 1, 2]),
        ([2.2, 0.1], [2, 0]),
        ([0.8, 1.1], [0, 1]),  # both nearest to 1
        ([-0.7, 0.2, 3.9], [0, 1, 3]),  # outside on both sides
    ],
)
def test_match_places(offsets, places):
    peaks = np.ones((1, len(offsets)), bool)
    assert match_places(np.array([offsets]), peaks, np.array([4])).tolist() == [places]


def test_places_are_scipys():
    """Places of people with clusters of 1 to 6 joints and fewer peaks agree with scipy, at once."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 7, 200)
    offsets = rng.normal(2, 3, (200, 6))
    peaks = rng.random((200, 6)) < 0.5
    peaks &= peaks.cumsum(1) <= sizes[:, None]
    found = match_places(offsets, peaks, sizes)
    for own, peak, size, places in zip(offsets, peaks, sizes, found):
        cost = (own[peak, None] - np.arange(size)) ** 2
        assert places[peak].tolist() == linear_sum_assignment(cost)[1].tolist()


def test_matching_without_scipy(monkeypatch):
    monkeypatch.setattr('mmpose_ext.codecs.cluster_tag.matching.linear_sum_assignment', None)
    cost = np.array([[1.0, 2.0], [1.5, 4.0], [np.inf, 3.0]])
    assert match_rows(cost, 1).tolist() == [1, 0, -1] == match_rows_in_numpy(cost, 1).tolist()


@pytest.mark.parametrize('shape', [(1, 1), (4, 4), (3, 7), (7, 3), (12, 30), (40, 9), (0, 3)])
@pytest.mark.parametrize('capacity', [1, 3])
@pytest.mark.parametrize('match', [match_rows, match_rows_in_numpy])
def test_matching_is_optimal(shape, capacity, match):
    """The match has scipy's rows (with copied columns) and cost, and is the same if unique."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cost = rng.normal(size=shape)
        if seed % 2:  # distances on a line and forbidden pairs give many optima
            cost = np.abs(rng.normal(size=shape[:1])[:, None] - rng.normal(size=shape[1:]))
            cost = np.where(cost < 1, cost, np.inf)
        column = match(cost, capacity)
        rows = np.flatnonzero(column >= 0)
        assert np.bincount(column[rows], minlength=shape[1]).max(initial=0) <= capacity
        copies = np.repeat(np.where(np.isinf(cost), 1e6, cost), capacity, axis=1)
        their_rows, theirs = linear_sum_assignment(copies)
        theirs //= capacity
        possible = np.isfinite(cost[their_rows, theirs])
        their_rows, theirs = their_rows[possible], theirs[possible]
        assert len(rows) == len(their_rows)
        assert cost[rows, column[rows]].sum() == pytest.approx(cost[their_rows, theirs].sum())
        if not seed % 2:
            assert rows.tolist() == their_rows.tolist() and column[rows].tolist() == theirs.tolist()
