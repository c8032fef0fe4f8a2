# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Tags of several passes of the network: the upright and the mirrored input, and its scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cluster_tag_maps import (
    CLUSTERS,
    FLIP,
    MAPS,
    SIZE,
    make,
    match_people,
    perfect_maps,
    scattered_people,
)

from mmpose_ext.codecs.cluster_tag.grouping import match_by_tags
from mmpose_ext.codecs.cluster_tag.numpy_maps import decode_cluster_tag
from mmpose_ext.codecs.cluster_tag.settings import ClusterTagSettings


def stacked(*maps):
    """Return the heatmaps of the first pass and the tags of all passes."""
    tags = torch.cat([one['tags'] for one in maps], 1)
    return dict(heatmaps=maps[0]['heatmaps'], tags=tags)


def check(codec, maps, people, most=0.1):
    keypoints, _, _ = codec.batch_decode(maps)
    assert len(keypoints[0]) == len(people)
    nearest, distance = match_people(keypoints[0], people[..., :2])
    assert sorted(nearest) == list(range(len(people))) and distance.max() < most


@pytest.mark.parametrize('name', CLUSTERS)
@pytest.mark.parametrize('passes', [2, 4])
def test_perfect_maps_decode_perfectly(name, passes):
    codec, people = make(CLUSTERS[name]), scattered_people(5)
    rng = np.random.default_rng(passes)
    references = [8.0 * rng.permutation(5) for _ in range(passes)]
    check(codec, stacked(*(perfect_maps(codec, [people], [r]) for r in references)), people)


@pytest.mark.parametrize('name', CLUSTERS)
def test_one_pass_may_tell_people_apart_that_others_do_not(name):
    """Tags of two people are equal in the first pass, and equal in their mean over passes."""
    codec, people = make(CLUSTERS[name]), scattered_people(3)
    first, second, third = [0.0, 0.0, 40.0], [20.0, -20.0, 40.0], [-20.0, 20.0, 40.0]
    maps = [perfect_maps(codec, [people], [np.array(r)]) for r in (first, second, third)]
    check(codec, stacked(*maps), people)
    alone = codec.batch_decode(maps[0])[0][0]
    assert match_people(alone, people[..., :2])[1].max() > 20  # joints of two people mixed


@pytest.mark.parametrize('name', ['17', '5'])
def test_mirrored_maps(name):
    """In the mirror image, a person has other tags, and joints have their partners' places."""
    codec, people = make(CLUSTERS[name]), scattered_people(4)
    mirrored = people[:, FLIP]
    mirrored[..., 0] = SIZE - 1 - mirrored[..., 0]
    upright = perfect_maps(codec, [people], [np.array([0.0, 0.0, 30.0, 60.0])])
    other = perfect_maps(codec, [mirrored], [np.array([-9.0, 21.0, 50.0, -40.0])])
    maps = codec.merge_flipped(upright, other, FLIP)
    torch.testing.assert_close(maps['heatmaps'], upright['heatmaps'], atol=1e-4, rtol=0)
    single = codec.num_clusters == codec.num_keypoints
    assert maps['tags'].shape[1] == codec.num_clusters * (2 if single else 1)
    if single:  # only the mirrored pass separates the first two people
        check(codec, maps, people)


@pytest.mark.parametrize('name', ['17', '5'])
def test_scales_merge_at_the_largest_edge_to_edge(name):
    """A pixel of the small input covers two of the large one."""
    large, small = make(CLUSTERS[name]), make(CLUSTERS[name])
    people = scattered_people(2)
    half = people.copy()
    half[..., :2] = (half[..., :2] + 0.5) / 2 - 0.5
    maps = [
        perfect_maps(large, [people], [np.array([0.0, 16.0])]),
        perfect_maps(small, [half], [np.array([50.0, 20.0])]),
    ]
    quarter = (slice(None), slice(None), slice(MAPS // 2), slice(MAPS // 2))
    maps[1] = {key: value[quarter].contiguous() for key, value in maps[1].items()}
    for order in (maps, maps[::-1]):
        merged = large.merge_scales(order)
        assert merged['heatmaps'].shape[-2:] == (MAPS, MAPS)
        assert merged['tags'].shape[1] == 2 * large.num_clusters
    if name == '17':  # tags between two people's tags are no offsets
        check(large, large.merge_scales(maps), people, 2.5)
    only = large.merge_scales(maps, [0])
    assert torch.equal(only['tags'], maps[0]['tags'])


def test_more_passes_decode_noisier_tags():
    """The distance is a root mean square, so the errors of several passes do not add up."""
    people = scattered_people(20)
    codec = make(17)
    generator = torch.Generator().manual_seed(0)
    found = {}
    for passes in (1, 4):
        rng = np.random.default_rng(0)
        maps = stacked(
            *(perfect_maps(codec, [people], [8.0 * rng.permutation(20)]) for _ in range(passes))
        )
        maps['tags'] += 2.2 * torch.randn(maps['tags'].shape, generator=generator)
        found[passes] = len(codec.batch_decode(maps)[0][0])
    assert found[4] == 20 < found[1] - 2


def slow_matching(cluster, tags, scores, threshold, order):
    """Group like associative embedding's public code, with people as lists of vectors."""
    people, owner = [], {}
    for c in order:
        rows = np.flatnonzero(cluster == c)
        near = []
        for row in rows:
            for n, person in enumerate(people):
                distance = np.sqrt(np.mean((tags[row] - np.mean(person, 0)) ** 2))
                if distance < threshold:
                    near.append((round(distance / threshold) * 100 - scores[row], row, n))
        taken = set()
        for _, row, n in sorted(near):
            if row not in owner and n not in taken:
                owner[row] = n
                taken.add(n)
        for row in rows:
            if row in owner:
                people[owner[row]].append(tags[row])
            else:
                owner[row] = len(people)
                people.append([tags[row]])
    return [owner[row] for row in range(len(tags))]


@pytest.mark.parametrize('passes', [1, 2, 5])
@pytest.mark.parametrize('seed', range(4))
def test_grouping_of_vectors_as_the_slow_reference(passes, seed):
    """People are so far apart in the mean over passes that greedy matching is optimal."""
    rng = np.random.default_rng(seed)
    references = 6 * rng.permutation(4)[:, None] + 20 * rng.integers(0, 3, (4, passes))
    cluster = np.repeat(np.arange(9), 4)
    shown = rng.random(36) < 0.8
    shown[:4] = True
    tags = (np.tile(references, (9, 1)) + rng.normal(0, 0.4, (36, passes)))[shown]
    scores, cluster = rng.uniform(0.3, 1, shown.sum()), cluster[shown]
    singles = tuple((k,) for k in range(9))
    settings = ClusterTagSettings((64, 64), (16, 16), singles, tag_threshold=3.0)
    found = match_by_tags(cluster, tags, scores, settings)
    assert found.tolist() == slow_matching(cluster, tags, scores, 3.0, range(9))


@pytest.mark.parametrize('name', ['17', '5'])
def test_numpy_decodes_vectors_alike(name):
    codec, people = make(CLUSTERS[name]), scattered_people(4)
    people[0, 5, 2] = 0  # nowhere to be filled in
    maps = stacked(*(perfect_maps(codec, [people], [8.0 * np.arange(4)[::s]]) for s in (1, -1)))
    seen = people.copy()
    seen[0, 3:5, 2] = 0  # to be filled in
    maps['heatmaps'] = perfect_maps(codec, [seen])['heatmaps'] + 0.05 * maps['heatmaps']
    maps['tags'] += 0.004 * torch.randn(maps['tags'].shape)
    expected = codec.batch_decode(maps)
    arrays = {key: value.numpy() for key, value in maps.items()}
    (found,) = decode_cluster_tag(arrays, codec.settings, (SIZE, SIZE))
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other[0], atol=1e-3)
    assert (found[1] < 0.5).sum() >= 3
    assert (found[1] == 0).sum() == (name == '17')  # the neighbors' tags fit in clusters of many


@pytest.mark.parametrize('channels', [0, 16, 18, 35])
def test_refuses_tags_of_half_a_pass(channels):
    maps = dict(heatmaps=torch.zeros(1, 17, 8, 8), tags=torch.zeros(1, channels, 8, 8))
    with pytest.raises(ValueError, match='one channel per cluster'):
        make(17).batch_decode(maps)
