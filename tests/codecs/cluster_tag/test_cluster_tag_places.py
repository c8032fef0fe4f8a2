# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Matching peaks to joints agrees with slow references and with scipy."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

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
