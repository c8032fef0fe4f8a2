# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Matching peaks to people is as good as scipy's, and nearly as fast."""

from functools import partial

import numpy as np
import pytest
import torch
from cluster_tag_maps import perfect_maps
from scipy.optimize import linear_sum_assignment

from mmpose_ext.apps.benchmark.noise_errors import NoisyMaps
from mmpose_ext.apps.benchmark.people import people_in_squares
from mmpose_ext.apps.benchmark.timing import CLOCKS, median_ratio, take_turns, timed
from mmpose_ext.codecs import ClusterTag
from mmpose_ext.codecs.cluster_tag import grouping
from mmpose_ext.codecs.cluster_tag.matching import match_rows


def match_by_scipy(cost, capacity):
    """Match rows to copied columns; rows without a column pay 1e6."""
    copies = np.repeat(np.minimum(cost, 1e6), capacity, axis=1)
    rows, columns = linear_sum_assignment(copies)
    columns //= capacity
    matched = np.isfinite(cost[rows, columns])
    column = np.full(len(cost), -1)
    column[rows[matched]] = columns[matched]
    return column


def make_costs(kind, shape, rng):
    distance = np.abs(rng.normal(size=shape[:1])[:, None] - rng.normal(size=shape[1:]))
    score = rng.random(shape[:1])[:, None]
    return {
        'unique': lambda: rng.normal(size=shape),
        'distances': lambda: np.where(distance < 1, distance, np.inf),
        'few values': lambda: rng.choice([0.0, 1.0, 2.0, np.inf], size=shape),
        'tags': lambda: np.where(distance < 1, 100 * np.round(distance) - score, np.inf),
    }[kind]()


@pytest.mark.parametrize('kind', ['unique', 'distances', 'few values', 'tags'])
@pytest.mark.parametrize('capacity', [1, 3])
@pytest.mark.parametrize('shape', [(1, 1), (4, 4), (3, 7), (7, 3), (12, 30), (40, 9), (0, 3)])
def test_matching_is_optimal(shape, capacity, kind):
    """As many rows as scipy's are matched, at the same total cost, with or without ties."""
    for seed in range(20):
        cost = make_costs(kind, shape, np.random.default_rng(seed))
        column = match_rows(cost, capacity)
        rows = np.flatnonzero(column >= 0)
        assert np.bincount(column[rows], minlength=shape[1]).max(initial=0) <= capacity
        theirs = match_by_scipy(cost, capacity)
        their_rows = np.flatnonzero(theirs >= 0)
        assert len(rows) == len(their_rows)
        total = cost[their_rows, theirs[their_rows]].sum()
        assert cost[rows, column[rows]].sum() == pytest.approx(total, abs=1e-7)


def test_matching_is_scipys_where_it_is_unique():
    for seed in range(20):
        cost = np.random.default_rng(seed).normal(size=(9, 12))
        assert match_rows(cost, 1).tolist() == match_by_scipy(cost, 1).tolist()


@pytest.mark.parametrize(
    'cost, capacity, columns',
    [
        ([[1, 2], [1.5, 4], [np.inf, 3]], 1, [1, 0, -1]),
        ([[0, 0, 0]] * 3, 1, [0, 1, 2]),
        ([[0, 0]] * 5, 2, [0, 0, 1, 1, -1]),
        ([[0, 0], [0, np.inf]], 1, [1, 0]),  # the first row makes room
        ([[np.inf, np.inf]], 1, [-1]),
    ],
)
def test_ties_fall_to_the_first(cost, capacity, columns):
    """Of equal columns the first is taken, and of equal rows the last is left over."""
    assert match_rows(np.array(cost, float), capacity).tolist() == columns


def maps_of(codec, scene, seed):
    """Return an image's maps: of 1 to 30 people with errors (a strength in px), or of noise."""
    rng = np.random.default_rng(seed)
    size = codec.input_size
    if scene == 'noise':
        shape = (1, codec.num_clusters, *codec.heatmap_size[::-1])
        tags = torch.from_numpy(rng.normal(0, 4, shape))
        return dict(heatmaps=torch.from_numpy(rng.random(shape)).float(), tags=tags.float())
    people, apart, strength = scene
    points = people_in_squares(size, people, 17, rng)
    points = np.concatenate([points, np.ones((people, 17, 1))], -1)
    maps = perfect_maps(codec, [points], [rng.permutation(people) * apart])
    return NoisyMaps(maps, 'independent', size, seed).at(strength)


@pytest.mark.parametrize('clusters', [17, 5, 3])
@pytest.mark.parametrize('people', [1, 30])
def test_nothing_is_matched_where_tags_separate_people(people, clusters, monkeypatch):
    """So decoding ordinary images takes no time for it."""
    monkeypatch.setattr(grouping, 'match_rows', None)
    codec = ClusterTag((512, 512), (128, 128), clusters=clusters)
    found, _, _ = codec.batch_decode(maps_of(codec, (people, 8.0, 0.0), 0))
    assert len(found[0]) == people


#: Scenes, and how much longer decoding may take than with scipy's matching.
SCENES = {
    '30 people, errors of 3 px': ((30, 8.0, 3.0), 1.2),
    '30 people, errors of 5 px': ((30, 8.0, 5.0), 1.2),
    '30 people, half as far apart, 3 px': ((30, 4.0, 3.0), 1.4),
    'noise': ('noise', 3.2),
}


@pytest.mark.long
@pytest.mark.parametrize('clusters', [17, 5, 3])
@pytest.mark.parametrize('name', SCENES)
def test_decoding_takes_about_as_long_as_with_scipy(name, clusters, monkeypatch):
    """This computes the table of docs/cluster-wise.md (``-s`` prints it)."""
    scene, most = SCENES[name]
    codec = ClusterTag((512, 512), (128, 128), clusters=clusters)
    images = [maps_of(codec, scene, seed) for seed in range(4)]

    def decode(match):
        monkeypatch.setattr(grouping, 'match_rows', match)
        for maps in images:
            codec.batch_decode(maps)

    matchers = dict(ours=match_rows, scipys=match_by_scipy)
    timers = {
        key: timed(partial(decode, match), CLOCKS['thread']) for key, match in matchers.items()
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the clock is the calling thread's
    try:
        times = take_turns(timers, runs=25, warmup=3)
    finally:
        torch.set_num_threads(threads)
    ratio = median_ratio(times['ours'], times['scipys'])
    ours, theirs = (np.median(times[key]) / len(images) * 1e3 for key in matchers)
    print(f'{name}, {clusters} clusters: {ours:.2f} ms, {theirs:.2f} ms by scipy, {ratio:.2f}')
    assert ratio < most
