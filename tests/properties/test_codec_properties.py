# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""All codecs on degenerate people of every kind, and on any maps."""

import numpy as np
import pytest
import torch
from degenerate_people import (
    People,
    assert_drawn_alike,
    build_codec,
    drawn_both_ways,
    map_values,
    people,
)
from hypothesis import strategies as st
from property_settings import holds_for

from mmpose_ext.codecs import FullResolutionHeatmap
from mmpose_ext.codecs.disk_offset.sampling import LEAST_OFFSET
from mmpose_ext.utils.sequences import zip_equal

K = 17
#: A tree of four keypoints.
TREE = ((0, 1), (0, 2), (2, 3))
TREE_SETTINGS = dict(edges=TREE, sigmas=[0.05] * 4, radius=6.0)

FULL_RESOLUTION = [
    dict(type='FullResolutionHeatmap', input_size=size, sigma=sigma)
    for size, sigma in (((24, 32), 2.0), ((33, 21), 4.0), ((9, 9), 8.0))
]
COMPOSITE = [
    dict(type='CompositeLocalization', input_size=(64, 96), stride=stride, norm=norm)
    for stride in (4, 8, 16, 32)
    for norm in ('squared', 'plain')
]
CLUSTER = [
    dict(type='ClusterTag', input_size=(64, 96), heatmap_size=(16, 24), clusters=clusters)
    for clusters in (1, 3, 5, 17)
]
DISK = [
    dict(type='DiskOffset', input_size=(41, 33), map_size=(21, 17), **TREE_SETTINGS),
    dict(type='DiskOffset', input_size=(41, 33), radius=7.0, map_size=(11, 9)),
    dict(type='DiskOffset', input_size=(33, 33), **TREE_SETTINGS),
]


def num_keypoints(config):
    return 4 if 'edges' in config else K


def batches(configs, **kinds):
    """Draw a codec's config and the people of two images in its input."""

    def of(config):
        one = people(config['input_size'], num_keypoints(config), **kinds)
        return st.tuples(st.just(config), st.lists(one, min_size=1, max_size=2))

    return st.sampled_from(configs).flatmap(of)


def as_maps(codec, targets):
    return {name: targets[name] for name in codec.decoded_names}


def assert_found_is_sound(codec, found, limit=None):
    """Check that a batch's coordinates, scores and people's scores are finite and consistent."""
    for keypoints, scores in zip_equal(*found[:2]):
        assert keypoints.shape[2:] == (2,) and keypoints.shape[:2] == scores.shape
        assert np.isfinite(keypoints).all() and np.isfinite(scores).all()
        if limit is not None and keypoints.size:
            assert np.abs(keypoints).max() <= limit
    for scores, person_scores in zip_equal(*found[1:]) if len(found) == 3 else ():
        assert len(scores) == len(person_scores) and np.isfinite(person_scores).all()
        assert (np.diff(person_scores) <= 0).all()


# -- drawing ---------------------------------------------------------------------------------------


@holds_for(long=900, case=batches(FULL_RESOLUTION + COMPOSITE, numbers=(1,)))
def test_one_person_is_drawn(case):
    config, batch = case
    codec, by_worker, on_device = drawn_both_ways(config, batch)
    assert_drawn_alike(by_worker, on_device)
    heatmaps, weights = by_worker['heatmaps'], by_worker['keypoint_weights'].numpy()
    assert 0 <= heatmaps.min() and heatmaps.max() <= 1
    given = np.stack([one.visible for one in batch])
    assert ((weights == given) | (weights == 0)).all()
    inside = np.stack([one.inside(codec.input_size, 0.499) for one in batch])
    assert (weights > 0)[inside].all()
    unlabeled = torch.from_numpy(given[:, 0] <= 0)
    assert not heatmaps[unlabeled].any()
    assert_found_is_sound(codec, codec.batch_decode(as_maps(codec, by_worker)))


@holds_for(long=700, case=batches(CLUSTER))
def test_cluster_tags_are_drawn(case):
    config, batch = case
    codec, by_worker, on_device = drawn_both_ways(config, batch)
    assert_drawn_alike(by_worker, on_device)
    indices, weights = by_worker['keypoint_indices'], by_worker['keypoint_weights']
    w, h = codec.heatmap_size
    assert ((indices >= 0) & (indices < w * h)).all() and not indices[weights == 0].any()
    assert 0 <= by_worker['heatmaps'].min() and by_worker['heatmaps'].max() <= 1
    for b, one in enumerate(batch):
        assert (weights[b, : len(one.points)] > 0).numpy()[one.inside(codec.input_size, 0)].all()


@st.composite
def disk_cases(draw):
    """Draw cases in which both images have a map of persons, or neither."""
    config, batch = draw(batches(DISK))
    if not draw(st.booleans()):
        return config, batch, None
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    w, h = config.get('map_size', config['input_size'])
    images = [
        dict(
            instance_map=rng.integers(0, len(one.points) + 1, (h, w)).astype(np.int16),
            loss_mask=rng.integers(0, draw(st.sampled_from((1, 2, 9))), (h, w)).astype(np.uint8),
        )
        for one in batch
    ]
    return config, batch, images


@holds_for(long=700, case=disk_cases())
def test_disks_and_offsets_are_drawn(case):
    config, batch, images = case
    codec, by_worker, on_device = drawn_both_ways(config, batch, images)
    assert_drawn_alike(by_worker, on_device)
    for name in ('heatmaps', 'body_heatmaps', *codec.mask_names):
        assert ((by_worker[name] == 0) | (by_worker[name] == 1)).all(), name
    short = by_worker['short_offsets'].unflatten(1, (-1, 2)).norm(dim=2)
    assert (short <= codec.radius + 1e-3).all() and not short[by_worker['heatmaps'] == 0].any()
    # an offset leads from one place in the image to another
    for name in ('mid_offsets', 'long_offsets'):
        assert by_worker[name].abs().max() <= max(codec.input_size)
    weights = by_worker['keypoint_weights']
    for b, one in enumerate(batch):
        labeled = (weights[b, : len(one.points)] > 0).numpy()
        assert (labeled == one.inside(codec.input_size)).all()
    found = codec.batch_decode(as_maps(codec, by_worker))
    assert_found_is_sound(codec, found)
    for b in range(len(batch)):
        assert ((found[1][b] >= 0) & (found[1][b] <= 1)).all()
        if not by_worker['heatmaps'][b].any():
            assert not len(found[0][b])


# -- round trips -----------------------------------------------------------------------------------

IN_IMAGE = dict(places=('anywhere', 'one point', 'borders', 'corners', 'tiny'), numbers=(1,))


@holds_for(long=500, case=batches(FULL_RESOLUTION, **IN_IMAGE))
def test_full_resolution_round_trip(case):
    """The fit is exact, so every keypoint on the map comes back."""
    config, batch = case
    codec = build_codec(config)
    for one in batch:
        decoded, scores = codec.decode(codec.encode(*one))
        inside = one.inside(codec.input_size, 0)
        assert np.abs(decoded - one.points)[inside].max(initial=0) <= 2e-3
        assert (scores[inside] > 0.7).all()


@holds_for(long=500, case=batches(COMPOSITE, **IN_IMAGE))
def test_composite_round_trip(case):
    config, batch = case
    codec = build_codec(config)
    for one in batch:
        encoded = codec.encode(*one)
        decoded, _ = codec.decode(encoded)
        inside = encoded['keypoint_weights'] > 0
        assert (inside == one.inside(codec.input_size)).all()
        assert np.abs(decoded - one.points)[inside].max(initial=0) <= 0.01


def tags_of(codec, targets, number):
    """Return maps with each person's tag around each of its keypoints' cells."""
    w, h = codec.heatmap_size
    tags = torch.zeros(1, codec.num_clusters, h, w)
    for n in range(number):
        for k in targets['keypoint_weights'][0, n].nonzero().flatten().tolist():
            y, x = divmod(int(targets['keypoint_indices'][0, n, k]), w)
            around = (slice(max(0, y - 3), y + 4), slice(max(0, x - 3), x + 4))
            tags[0, codec.cluster_of[k]][around] = 8.0 * n
    return tags


@holds_for(long=500, one=people((64, 96), K, **IN_IMAGE))
def test_cluster_tag_round_trip(one):
    """With one joint per map, the person comes back with every joint, within half a cell."""
    _, targets, _ = drawn_both_ways(CLUSTER[3], [one])
    codec = build_codec(dict(CLUSTER[3], fill_missing=False))
    maps = dict(heatmaps=targets['heatmaps'], tags=tags_of(codec, targets, 1))
    keypoints, scores, person_scores = codec.batch_decode(maps)
    labeled = targets['keypoint_weights'][0, 0].numpy() > 0
    assert labeled.any() <= len(keypoints[0]) <= 1  # a Gaussian may reach in from outside
    if labeled.any():
        assert (scores[0][0][labeled] > 0.1).all()
        assert np.abs(keypoints[0][0] - one.points[0])[labeled].max() <= 2.0


def offsets_that_lead_nowhere(codec, points, labeled):
    """Return whether a labeled keypoint is within LEAST_OFFSET of another's nearest cell."""
    pitch = (np.array(codec.input_size) - 1) / (np.array(codec.map_size) - 1)
    points = points[labeled]
    cells = np.round(points / pitch) * pitch
    distance = np.linalg.norm(cells[:, None] - points, axis=-1)
    np.fill_diagonal(distance, np.inf)
    return (distance < LEAST_OFFSET + 1e-3).any()


@holds_for(long=500, case=batches([DISK[0], DISK[2]], **IN_IMAGE))
def test_disk_offset_round_trip(case):
    """If a person's segment is the whole image, every keypoint in it comes back.

    A person with two keypoints on one spot may come back as several people, because an offset of
    less than half a pixel counts as unknown. Each keypoint is in its place.
    """
    config, batch = case
    codec = build_codec(dict(config, nms='none'))
    for one in batch:
        whole = np.ones(codec.map_size[::-1], np.int16)
        encoded = codec.encode(*one, instance_map=whole)
        keypoints, scores, _ = codec.decode(encoded)
        labeled = encoded['keypoint_weights'][0] > 0
        if offsets_that_lead_nowhere(codec, one.points[0], labeled):
            people = np.isclose(keypoints, one.points[0], atol=0.02).all(-1) & (scores > 0)
            assert people.any(0)[labeled].all()
            continue
        assert len(keypoints) == labeled.any()
        if len(keypoints):
            assert np.abs(keypoints[0] - one.points[0])[labeled].max() <= 0.02
            assert (scores[0][labeled] > 0).all() and not scores[0][~labeled].any()


# -- any maps --------------------------------------------------------------------------------------


@st.composite
def any_maps(draw, configs):
    """Draw a codec and maps with its names and channels and any finite values."""
    codec = build_codec(draw(st.sampled_from(configs)))
    drawn = codec.draw(
        torch.zeros(1, 1, num_keypoints_of(codec), 2), torch.ones(1, 1, num_keypoints_of(codec))
    )
    maps = {}
    for name in codec.decoded_names:
        shape = (2, *drawn.get(name, drawn['heatmaps']).shape[1:])
        maps[name] = draw(map_values(shape))
    return codec, maps


def num_keypoints_of(codec):
    return getattr(codec, 'num_keypoints', K)


@holds_for(long=800, case=any_maps(FULL_RESOLUTION + COMPOSITE + CLUSTER + DISK))
def test_any_finite_maps_decode_to_finite_people(case):
    codec, maps = case
    before = {name: value.clone() for name, value in maps.items()}
    assert_found_is_sound(codec, codec.batch_decode(maps))
    for name, value in maps.items():
        assert torch.equal(value, before[name]), f'{name} was changed'


@holds_for(
    long=500,
    case=any_maps(FULL_RESOLUTION + COMPOSITE + CLUSTER + DISK),
    bad=st.sampled_from([float('nan'), float('inf'), float('-inf')]),
    place=st.floats(0, 1, exclude_max=True),
    which=st.integers(0, 4),
)
def test_maps_with_one_bad_cell_are_refused(case, bad, place, which):
    codec, maps = case
    if isinstance(codec, FullResolutionHeatmap):
        bad = abs(bad)  # a negative infinity is no maximum and has no effect
    name = codec.decoded_names[which % len(codec.decoded_names)]
    maps[name].view(-1)[int(place * maps[name].numel())] = bad
    with pytest.raises(ValueError, match=f'{name} holds 1 NaN or infinite'):
        codec.batch_decode(maps)


# -- refused input -------------------------------------------------------------------------------


@holds_for(
    long=500,
    case=batches(FULL_RESOLUTION + COMPOSITE + CLUSTER + DISK, numbers=(1,), seen=('some', 'all')),
    bad=st.sampled_from([float('nan'), float('inf'), float('-inf')]),
    where=st.tuples(st.integers(0, 3), st.integers(0, 1)),
    on_device=st.booleans(),
)
def test_labeled_keypoints_that_are_no_numbers_are_refused(case, bad, where, on_device):
    """Unlabeled keypoints may have any value, and change nothing."""
    config, ((points, visible), *_) = case
    codec = build_codec(dict(config, draw_on_device=on_device))
    points, visible = points.copy(), visible.copy()
    points[0, where[0], where[1]] = bad
    visible[0, where[0]] = 1
    with pytest.raises(ValueError, match='a labeled keypoint is NaN or infinite'):
        codec.encode(points, visible)
    visible[0, where[0]] = 0
    encoded = codec.encode(points, visible)
    points[0, where[0]] = 3.0
    for name, value in codec.encode(points, visible).items():
        np.testing.assert_array_equal(encoded[name], value, err_msg=name)


@holds_for(
    long=300,
    case=batches(FULL_RESOLUTION + COMPOSITE + CLUSTER + DISK, numbers=(1,)),
    bad=st.sampled_from([float('nan'), float('inf'), float('-inf'), -1.0]),
    where=st.integers(0, 3),
)
def test_visibilities_that_are_no_weights_are_refused(case, bad, where):
    config, ((points, visible), *_) = case
    visible = visible.copy()
    visible[0, where] = bad
    with pytest.raises(ValueError, match='keypoints_visible must be 0 or more'):
        build_codec(config).encode(points, visible)


def test_people_are_what_they_are_called():
    """This checks the strategies themselves: a margin of 0.5 px is the image's edge."""
    one = People(np.array([[[-0.5, 3.0], [8.5, 3], [8.6, 3]]]), np.ones((1, 3)))
    assert one.inside((9, 9)).tolist() == [[True, True, False]]
