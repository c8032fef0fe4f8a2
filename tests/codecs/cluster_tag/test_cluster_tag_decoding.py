# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import numpy as np
import pytest
import torch
from cluster_tag_maps import (
    CLUSTERS,
    MAPS,
    SIZE,
    make,
    match_people,
    perfect_maps,
    scattered_people,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpose.codecs.associative_embedding import _group_keypoints_by_tags
from torch.nn.functional import max_pool2d

from mmpose_ext.codecs.cluster_tag.grouping import group_by_tags, match_by_tags
from mmpose_ext.codecs.cluster_tag.numpy_maps import top_peaks as slow_top_peaks
from mmpose_ext.codecs.cluster_tag.peaks import best_cells, local_maxima, top_peaks
from mmpose_ext.utils.sequences import zip_equal


@pytest.mark.parametrize('name', CLUSTERS)
@pytest.mark.parametrize('number', [0, 1, 4, 20])
def test_perfect_maps_decode_perfectly(name, number):
    codec = make(CLUSTERS[name])
    people = scattered_people(number)
    keypoints, scores, person_scores = codec.batch_decode(perfect_maps(codec, [people]))
    assert keypoints[0].shape == (number, 17, 2) and scores[0].shape == (number, 17)
    assert person_scores[0].shape == (number,)
    if number:
        nearest, distance = match_people(keypoints[0], people[..., :2])
        assert sorted(nearest) == list(range(number))
        assert distance.max() < 0.1


@pytest.mark.parametrize('name', ['1', '5', '17'])
def test_tags_may_drift(name):
    """Tags may drift by a fifth of the offset within a cluster, or by 0.2 with one joint each."""
    codec = make(CLUSTERS[name], delta=0.3)
    people = scattered_people(5)
    maps = perfect_maps(codec, [people], [np.arange(5) * 12.0])
    drift = 0.06 if name != '17' else 0.2
    maps['tags'] += (torch.rand_like(maps['tags']) - 0.5) * 2 * drift
    keypoints = codec.batch_decode(maps)[0][0]
    # refinement may lose a neighbor whose tag has drifted away
    assert match_people(keypoints, people[..., :2])[1].max() < 2


def test_images_of_a_batch_do_not_mix():
    codec = make(5)
    batch = [scattered_people(number, number) for number in (2, 0, 3)]
    together = codec.batch_decode(perfect_maps(codec, batch))
    for b, people in enumerate(batch):
        alone = codec.batch_decode(perfect_maps(codec, [people]))
        for one, all_images in zip_equal(alone, together):
            if len(people):
                assert one[0].shape == all_images[b].shape
        assert len(together[0][b]) == len(people)
        if len(people):
            assert match_people(together[0][b], people[..., :2])[1].max() < 0.1


def test_more_people_than_the_most():
    """The people with the highest scores are kept, but all are drawn."""
    codec = make(17, max_people=3)
    people = scattered_people(5)
    maps = perfect_maps(codec, [people])
    tags = torch.arange(5) * 8.0
    maps = perfect_maps(codec, [people], [tags.numpy()])
    for n, height in enumerate([0.9, 0.5, 0.8, 0.3, 0.7]):
        maps['heatmaps'][maps['tags'] == tags[n]] *= height
    keypoints, _, person_scores = codec.batch_decode(maps)
    assert (np.diff(person_scores[0]) <= 0).all()
    nearest, distance = match_people(people[..., :2], keypoints[0])
    assert nearest.tolist() == [0, 2, 4] and distance.max() < 1


def test_a_missing_joint_is_filled_in_where_its_tag_is():
    codec = make(5)
    people = scattered_people(2)
    people[..., 0] *= 0.6
    people[0, 9, :2] = 220, 130  # far from all others
    maps = perfect_maps(codec, [people])
    seen = people.copy()
    seen[0, 9, 2] = 0
    maps['heatmaps'] = perfect_maps(codec, [seen])['heatmaps'] + 0.05 * maps['heatmaps']
    keypoints, scores, _ = codec.batch_decode(maps)
    nearest, distance = match_people(keypoints[0], people[..., :2])
    assert distance[0] < 4 and scores[0][nearest[0], 9] < 0.1
    bare = make(5, fill_missing=False).batch_decode(maps)
    assert bare[1][0][nearest[0], 9] == 0


@pytest.mark.parametrize('name', ['3', '5', '17'])
def test_a_missing_joint_is_not_filled_in_with_anothers(name):
    """Without a cell with the person's tag, a joint gets no score and the person's center."""
    codec = make(CLUSTERS[name])
    people = scattered_people(3)
    unlabeled = codec.clusters[codec.cluster_of[9]]
    people[0, unlabeled, 2] = 0
    keypoints, scores, _ = codec.batch_decode(perfect_maps(codec, [people]))
    found = people[0, :, 2] > 0
    distance = np.abs(keypoints[0][:, found] - people[0, found, :2]).max((1, 2))
    person = distance.argmin()
    assert distance[person] < 0.1
    assert (scores[0][person, unlabeled] == 0).all() and (scores[0][person, found] > 0.5).all()
    middle = keypoints[0][person, found].mean(0)
    np.testing.assert_allclose(keypoints[0][person, unlabeled] - middle, 0, atol=1e-3)


def test_a_peak_with_a_wrong_offset_is_dropped():
    codec = make(3, fill_missing=False)
    people = scattered_people(1)
    maps = perfect_maps(codec, [people], [np.zeros(1)])
    wrong = (maps['tags'] - 2 * codec.delta).abs() < 1e-3  # a joint's offset is off by 0.7 delta
    wrong[:, [0, 2]] = False
    maps['tags'][wrong] += 0.7 * codec.delta
    joint = codec.clusters[1][2]
    assert codec.batch_decode(maps)[1][0][0, joint] == 0
    lenient = make(3, fill_missing=False, offset_tolerance=None)
    assert (lenient.batch_decode(maps)[1][0] > 0).all()


@pytest.mark.parametrize('seed', range(6))
def test_single_joints_group_as_mmpose(seed):
    """Peaks of people whose tags are 2.2 apart and drift by 0.2 are grouped as by mmpose.

    All people have the first keypoint, and there are no false peaks. With more peaks than people,
    mmpose also minimizes the distances of peaks that it then refuses, which leaves ties.
    """
    rng = np.random.default_rng(seed)
    number, most = 6, 8
    scores = np.zeros((17, most))
    tags = np.zeros((17, most))
    for k in range(17):
        here = rng.random(number) < (0.8 if k else 1)
        peaks = rng.permutation(np.flatnonzero(here))
        scores[k, : len(peaks)] = rng.uniform(0.3, 1, len(peaks))
        tags[k, : len(peaks)] = peaks * 2.2 + rng.uniform(-0.2, 0.2, len(peaks))
    places = np.arange(17 * most).reshape(17, most, 1).repeat(2, -1).astype(float)
    groups = _group_keypoints_by_tags(scores, tags[..., None], places, list(range(17)), 0.1)
    expected = {frozenset(person[person[:, 2] > 0, 0].astype(int).tolist()) for person in groups}
    cluster, rank = np.nonzero(scores > 0.1)
    single = make(17, tag_threshold=1.0).settings
    for group in (group_by_tags, match_by_tags):
        person = group(cluster, tags[cluster, rank], scores[cluster, rank], single)
        numbers = cluster * most + rank
        found = {frozenset(numbers[person == n].tolist()) for n in range(person.max() + 1)}
        assert found == expected, group


@pytest.mark.parametrize('kernel', [1, 3, 5, 7, 13])
def test_local_maxima(kernel):
    heatmaps = torch.randn(2, 3, 7, 9)
    expected = heatmaps == max_pool2d(heatmaps, kernel, 1, kernel // 2)
    assert torch.equal(local_maxima(heatmaps, kernel), expected.float())


@pytest.mark.parametrize('number', [1, 5, 30, 1000])
@pytest.mark.parametrize('passes', [1, 3])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_top_peaks_as_the_slow_reference(number, passes, layout):
    heatmaps = torch.rand(2, 3, 40, 9).to(memory_format=layout)
    tags = torch.randn(2, 3 * passes, 40, 9)
    found = top_peaks(heatmaps, tags, number, 3).numpy()
    for image, peaks in enumerate(found):
        expected = slow_top_peaks(heatmaps[image].numpy(), tags[image].numpy(), number, 3)
        assert peaks.shape == expected.shape == (3, min(number, 360), 2 + passes)
        np.testing.assert_array_equal(peaks[..., 0], expected[..., 0])
        is_peak = expected[..., 0] > 0
        np.testing.assert_array_equal(peaks[is_peak], expected[is_peak])


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_equal_neighbors_are_one_peak(dtype):
    """A person halfway between cells, or in maps of half precision, is found once."""
    heatmaps = torch.zeros(1, 2, 20, 20)
    heatmaps[0, 0, 5:7, 5:7] = 0.9  # four equal cells
    heatmaps[0, 0, 12, 12] = 0.8  # another peak
    heatmaps[0, 1, 3, 4:10] = 0.5  # a row of equal cells
    tags = torch.randn(1, 2, 20, 20)
    found = top_peaks(heatmaps.to(dtype).float(), tags, 8, 3)[0].numpy()
    slow = slow_top_peaks(heatmaps[0].to(dtype).float().numpy(), tags[0].numpy(), 8, 3)
    for peaks in (found, slow):
        kept = peaks[..., 0] > 0.1
        assert kept.sum(1).tolist() == [2, 1]
        assert peaks[0, :2, 1].tolist() == [5 * 20 + 5, 12 * 20 + 12]
        assert peaks[1, 0, 1] == 3 * 20 + 4

    # as many people as there are, wherever their keypoints lie between the cells
    codec = make(17)
    for shift in (0.0, 0.5, 1.5, 3.5):
        points = np.stack([np.arange(17) % 4 * 40 + 40, np.arange(17) // 4 * 40 + 40], -1) + shift
        maps = codec.draw(
            torch.tensor(points, dtype=torch.float32)[None, None], torch.ones(1, 1, 17)
        )
        tags = maps['heatmaps'].new_zeros(maps['heatmaps'].shape)
        keypoints, *_ = codec.locate(dict(heatmaps=maps['heatmaps'], tags=tags))
        assert len(keypoints[0]) == 1


@pytest.mark.parametrize('passes', [1, 3])
def test_best_cells_as_the_slow_reference(passes):
    heatmaps, tags = torch.rand(3, 9, 8), torch.randn(passes, 3, 9, 8) * 3
    maps = torch.tensor([2, 0, 1, 1, 0] * 200)  # more than one chunk
    wanted, unit = torch.randn(1000, passes), torch.rand(1000) + 0.1
    cells, values, apart = best_cells(heatmaps, tags, maps, wanted, unit)
    for p, m in enumerate(maps.tolist()):
        distance = sum((tags[t, m] - wanted[p, t]) ** 2 for t in range(passes)) / passes
        units = (distance.sqrt() / unit[p]).round()
        cost = units * 100 - heatmaps[m]
        assert cost.flatten()[cells[p]] == cost.min()
        assert values[p] == heatmaps[m].flatten()[cells[p]]
        assert apart[p] == units.flatten()[cells[p]]


coordinate = st.floats(-2 * SIZE, 3 * SIZE, width=32) | st.sampled_from([0.0, SIZE - 1.0])
person = st.lists(st.tuples(coordinate, coordinate, st.booleans()), min_size=17, max_size=17)


@settings(max_examples=40, deadline=None)
@given(
    people=st.lists(person, max_size=3),
    twice=st.booleans(),
    name=st.sampled_from(sorted(CLUSTERS)),
)
def test_any_people(people, twice, name):
    """The image has nobody, or unlabeled, partial, outside, border or repeated people."""
    codec = CODECS[name]
    people = np.array(people * (2 if twice else 1), dtype=np.float32).reshape(-1, 17, 3)
    drawn = codec.encode(people[..., :2], people[..., 2])
    weights, indices = drawn['keypoint_weights'], drawn['keypoint_indices']
    assert ((indices >= 0) & (indices < MAPS * MAPS)).all()
    assert (weights <= people[..., 2]).all() and not indices[weights == 0].any()
    assert 0 <= drawn['heatmaps'].min(initial=0) and drawn['heatmaps'].max(initial=0) <= 1
    keypoints, scores, person_scores = codec.batch_decode(perfect_maps(codec, [people]))
    assert np.isfinite(keypoints[0]).all() and np.isfinite(person_scores[0]).all()
    assert len(keypoints[0]) == len(scores[0]) == len(person_scores[0]) <= codec.settings.max_people
    assert bool(len(keypoints[0])) >= bool(weights.any())
    reach = 4 * (codec.sigma + 0.5)  # from a cell at the border
    assert (keypoints[0] >= -reach).all() and (keypoints[0] <= SIZE + reach).all()


CODECS = {name: make(clusters) for name, clusters in CLUSTERS.items()}
