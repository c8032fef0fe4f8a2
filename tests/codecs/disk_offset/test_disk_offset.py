# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""DiskOffset: drawing compared with plain loops, flips, decoding of perfect maps, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs

from mmpose_ext.codecs import DiskOffset
from mmpose_ext.utils.sequences import zip_equal

SIZE = (41, 33)
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
#: A tree of four keypoints; 1 and 2 are left and right.
SMALL = ((0, 1), (0, 2), (2, 3))


def people(number, seed=0, size=SIZE, spread=8.0, kinds=17):
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0, 1, (number, 1, 2)) * size
    points = centers + rng.normal(0, spread, (number, kinds, 2))
    visible = (rng.uniform(size=(number, kinds)) > 0.25).astype(np.float32)
    return points.astype(np.float32), visible


def masks(codec, number, seed=0):
    rng = np.random.default_rng(seed)
    w, h = codec.map_size
    coarse = rng.integers(0, number + 1, (4, 5))
    instance_map = np.kron(coarse, np.ones((9, 9), int))[:h, :w].astype(np.int16)
    loss_mask = np.kron(rng.integers(0, 4, (4, 5)) > 0, np.ones((9, 9)))[:h, :w].astype(np.uint8)
    return dict(instance_map=instance_map, loss_mask=loss_mask)


def plain_drawing(codec, points, visible, instance_map, loss_mask):
    """Draw all targets by loops over cells, keypoints and people."""
    (w, h), (width, height) = codec.map_size, codec.input_size
    k, edges = codec.num_keypoints, codec.directed_edges
    drawn = dict(
        heatmaps=np.zeros((k, h, w)),
        body_heatmaps=np.zeros((1, h, w)),
        short_offsets=np.zeros((2 * k, h, w)),
        mid_offsets=np.zeros((2 * len(edges), h, w)),
        long_offsets=np.zeros((2 * k, h, w)),
        mid_weights=np.zeros((len(edges), h, w)),
        long_weights=np.zeros((k, h, w)),
        loss_weights=np.zeros((1, h, w)),
    )
    inside = (points >= -0.5) & (points <= np.array([width, height]) - 0.5)
    labeled = (visible > 0) & inside.all(-1)
    for y in range(h):
        for x in range(w):
            here = np.array([x * (width - 1) / (w - 1), y * (height - 1) / (h - 1)], np.float32)
            counts = loss_mask[y, x] > 0
            drawn['loss_weights'][0, y, x] = counts
            owner = instance_map[y, x] - 1
            drawn['body_heatmaps'][0, y, x] = owner >= 0
            for kind in range(k):
                if owner >= 0 and counts and labeled[owner, kind]:
                    drawn['long_weights'][kind, y, x] = 1
                    drawn['long_offsets'][2 * kind : 2 * kind + 2, y, x] = (
                        points[owner, kind] - here
                    )
                distance = np.square(points[:, kind] - here).sum(-1)
                distance[~labeled[:, kind]] = np.inf
                if not len(points) or distance.min() > codec.radius**2:
                    continue
                nearest = distance.argmin()
                drawn['heatmaps'][kind, y, x] = 1
                drawn['short_offsets'][2 * kind : 2 * kind + 2, y, x] = points[nearest, kind] - here
                for edge, (start, end) in enumerate(edges):
                    if start == kind and labeled[nearest, end] and counts:
                        drawn['mid_weights'][edge, y, x] = 1
                        drawn['mid_offsets'][2 * edge : 2 * edge + 2, y, x] = (
                            points[nearest, end] - here
                        )
    return drawn


# full size; coarser, by different steps; several people in one place; one person; nobody; a cell
@pytest.mark.parametrize(
    ('map_size', 'number'),
    [(None, 3), ((21, 17), 6), ((11, 17), 4), ((9, 5), 12), ((21, 17), 1), ((21, 17), 0)],
)
def test_drawing_equals_plain_loops(map_size, number):
    codec = DiskOffset(SIZE, map_size, radius=7.0)
    points, visible = people(number)
    images = masks(codec, number)
    drawn = codec.encode(points, visible, **images)
    expected = plain_drawing(codec, points, visible, **images)
    assert drawn.keys() == {*expected, 'keypoint_weights'}
    for name, value in expected.items():
        assert drawn[name].dtype == np.float32
        np.testing.assert_allclose(drawn[name], value, atol=1e-4, err_msg=name)


def test_people_in_one_place_share_cells_evenly():
    """If people are equally near, the first one has the cell; others keep their cells."""
    codec = DiskOffset(SIZE, radius=5.0)
    points = np.full((3, 17, 2), 12.0, np.float32)
    points[1] += (10, 0)
    drawn = codec.encode(points)
    assert (drawn['short_offsets'][0, 12, 7:18] == 12 - np.arange(7, 18)).all()
    assert drawn['short_offsets'][0, 12, 17] == -5 and drawn['short_offsets'][0, 12, 18] == 4


def test_worker_and_device_draw_the_same():
    drawn = {}
    for on_device in (False, True):
        samples = []
        for number in (3, 0, 5):
            cfg = dict(
                type='DiskOffset', input_size=SIZE, map_size=(21, 17), draw_on_device=on_device
            )
            codec = DiskOffset(SIZE, (21, 17))
            points, visible = people(number, number)
            results = dict(
                img=np.zeros((33, 41, 3), np.uint8),
                keypoints=points,
                keypoints_visible=visible,
                dataset_keypoint_weights=np.ones((number, 17), np.float32),
                **masks(codec, number),
            )
            packed = PackPoseInputs()(GenerateTarget(encoder=cfg)(results))
            samples.append(packed['data_samples'])
        drawn[on_device] = codec.targets(samples, 'cpu')
    assert drawn[False].keys() == drawn[True].keys() == {*codec.map_names, 'keypoint_weights'}
    for name, value in drawn[False].items():
        assert torch.equal(value, drawn[True][name]), name
    assert 'target_keypoints' in samples[0].gt_instance_labels
    assert set(samples[0].gt_fields.keys()) == {'instance_map', 'loss_mask'}


def test_large_batches_are_drawn_in_parts(monkeypatch):
    codec = DiskOffset(SIZE, (21, 17))
    points = torch.rand(5, 4, 17, 2) * 33
    whole = codec.draw(points, torch.ones(5, 4, 17))
    monkeypatch.setattr('mmpose_ext.codecs.disk_offset.codec.CELLS_AT_ONCE', 1)
    parts = codec.draw(points, torch.ones(5, 4, 17))
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


# full size; coarser
@pytest.mark.parametrize('map_size', [None, (21, 17)])
def test_flip_of_the_maps_is_the_maps_of_the_flip(map_size):
    codec = DiskOffset(SIZE, map_size, radius=7.3)
    points, visible = people(4)
    points = points.clip(0, np.array(SIZE) - 1)
    images = masks(codec, 4)
    drawn = codec.encode(points, visible, **images)
    mirrored = points[:, FLIP].copy()
    mirrored[..., 0] = SIZE[0] - 1 - mirrored[..., 0]
    images = {name: np.ascontiguousarray(value[:, ::-1]) for name, value in images.items()}
    of_mirror = codec.encode(mirrored, visible[:, FLIP], **images)
    maps = {name: torch.from_numpy(of_mirror[name])[None] for name in codec.map_names}
    for name, value in codec.flip(maps, FLIP).items():
        np.testing.assert_allclose(value[0].numpy(), drawn[name], atol=1e-4, err_msg=name)
    with pytest.raises(ValueError, match='mirror images of others'):
        DiskOffset(SIZE, edges=SMALL, sigmas=[0.05] * 4).flip({}, [0, 2, 1, 3])


def test_frames_of_another_tree():
    codec = DiskOffset(SIZE, edges=SMALL, sigmas=[0.05] * 4, radius=5)
    assert codec.num_keypoints == 4
    assert codec.directed_edges == ((0, 1), (0, 2), (2, 3), (1, 0), (2, 0), (3, 2))
    points = np.array([[[5, 5], [30, 5], [20, 20], [30, 30]]], np.float32)
    images = dict(instance_map=np.ones((33, 41), np.uint8))
    keypoints, _, scores = codec.decode(codec.encode(points, **images))
    np.testing.assert_allclose(keypoints, points, atol=1e-3)
    assert scores[0] > 0.9


def two_people():
    """Return two people of 160 px, side by side in 401x401."""
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 160, (2, 17, 2)).astype(np.float32) + 20
    points[1, :, 0] += 190
    return points


# the paper's full size; the network's size at stride 8; different steps along x and y
@pytest.mark.parametrize('map_size', [None, (51, 51), (101, 51)])
@pytest.mark.parametrize('keypoint_score', ['expected_oks', 'heatmap'])
def test_perfect_maps_decode_to_the_keypoints(map_size, keypoint_score):
    codec = DiskOffset((401, 401), map_size, keypoint_score=keypoint_score)
    points = two_people()
    keypoints, scores, people_scores = codec.decode(codec.encode(points))
    assert keypoints.shape == (2, 17, 2) and keypoints.dtype == np.float32
    order = np.argsort(keypoints[:, 0, 0])
    np.testing.assert_allclose(keypoints[order], points, atol=0.02)
    assert (scores > 0.75).all() and (people_scores > 0.9).all()
    if keypoint_score == 'heatmap':
        assert (scores == 1).all() and (people_scores == 1).all()


def test_hidden_joint_tears_the_graph_and_the_long_offsets_join_it():
    points = two_people()
    visible = np.ones((2, 17), np.float32)
    visible[0, [5, 6]] = 0  # no shoulders: the head, each arm and each leg are parts
    for rescue, number in ((False, 6), (True, 2)):
        codec = DiskOffset((401, 401), (101, 101), rescue=rescue, nms='none')
        keypoints, scores, _ = codec.decode(codec.encode(points, visible))
        assert len(keypoints) == number
    torn = np.argmin(keypoints[:, 0, 0])
    found = visible[0] > 0
    np.testing.assert_allclose(keypoints[torn][found], points[0][found], atol=0.02)
    assert (scores[torn][~found] == 0).all()


def test_people_without_a_body_are_dropped():
    codec = DiskOffset((401, 401), (51, 51))
    points = two_people()
    encoded = codec.encode(points)
    encoded['body_heatmaps'][..., 26:] = 0
    assert len(codec.decode(encoded)[0]) == 1
    assert len(DiskOffset((401, 401), body_threshold=0).decode(encoded)[0]) == 2


@pytest.mark.parametrize('nms', ['none', 'claimed', 'hard_oks', 'soft_oks'])
def test_images_of_a_batch_do_not_mix(nms):
    codec = DiskOffset((401, 401), (51, 51), nms=nms)
    empty = np.zeros((0, 17, 2), np.float32)
    encoded = [codec.encode(p) for p in (two_people(), empty, two_people()[:1])]
    maps = {n: torch.from_numpy(np.stack([e[n] for e in encoded])) for n in codec.decoded_names}
    batch = codec.batch_decode(maps)
    assert [len(k) for k in batch[0]] == [2, 0, 1]
    assert batch[0][1].shape == (0, 17, 2) and batch[2][1].shape == (0,)
    for i, one in enumerate(encoded):
        for got, expected in zip_equal(batch, codec.decode(one)):
            np.testing.assert_allclose(got[i], expected, rtol=1e-5)
        assert (np.diff(batch[2][i]) <= 0).all()


# one visible keypoint; people outside the input; a hundred people in one image
def test_unusual_people():
    codec = DiskOffset((401, 401), (51, 51))
    points = two_people()[:1]
    visible = np.zeros((1, 17), np.float32)
    visible[0, 3] = 1
    keypoints, scores, _ = codec.decode(codec.encode(points, visible))
    np.testing.assert_allclose(keypoints[0, 3], points[0, 3], atol=0.02)
    assert (scores[0] > 0).sum() == 1
    encoded = codec.encode(points + 1000)
    assert not encoded['heatmaps'].any() and not encoded['keypoint_weights'].any()
    assert len(codec.decode(encoded)[0]) == 0
    crowd = people(100, size=(401, 401), spread=15)[0]
    keypoints, scores, people_scores = codec.decode(codec.encode(crowd))
    assert len(keypoints) > 30 and len(keypoints) <= 200 and np.isfinite(keypoints).all()


def test_random_maps_decode():
    torch.manual_seed(0)
    codec = DiskOffset((401, 401))
    maps = {'heatmaps': torch.rand(2, 17, 51, 51), 'body_heatmaps': torch.rand(2, 1, 51, 51)}
    for name, channels in (('short', 34), ('mid', 64), ('long', 34)):
        maps[f'{name}_offsets'] = 30 * torch.randn(2, channels, 51, 51)
    keypoints, scores, people_scores = codec.batch_decode(maps)
    assert all(np.isfinite(values).all() for values in keypoints + scores + people_scores)


# small maps, summed up; large ones, of whose offsets only those followed are looked at
@pytest.mark.parametrize('cells', [51, 271])
def test_maps_that_are_not_finite_are_refused(cells):
    codec = DiskOffset((401, 401), (cells, cells))
    encoded = codec.encode(two_people()[:1])
    for name in codec.decoded_names:
        for bad in (np.nan, np.inf):
            with pytest.raises(ValueError, match=f'{name} holds .* NaN or infinite'):
                codec.decode({**encoded, name: np.full_like(encoded[name], bad)})


# smaller than the stride; a single pixel; one row
@pytest.mark.parametrize('size', [(5, 5), (1, 1), (9, 1)])
def test_tiny_inputs(size):
    codec = DiskOffset(size, (1, 1))
    points = np.zeros((1, 17, 2), np.float32)
    encoded = codec.encode(points)
    keypoints, _, _ = codec.decode(encoded)
    assert np.isfinite(keypoints).all() and len(keypoints) <= 1


@pytest.mark.parametrize(
    ('settings', 'match'),
    [
        (dict(map_size=(0, 5)), 'map_size'),
        (dict(edges=((0, 1), (2, 3))), 'tree'),
        (dict(edges=((0, 1), (0, 2), (1, 2))), 'tree'),
        (dict(edges=(), sigmas=[0.1]), 'edges is empty'),
        (dict(keypoint_score='oks'), 'keypoint_score'),
        (dict(nms='hard'), 'nms'),
        (dict(edges=((0, 0.5),)), 'a keypoint in edges must be a whole number'),
        (dict(sigmas=[0.1]), '1 sigmas for 17 keypoints'),
        (dict(sigmas=[0.1] * 16 + [np.nan]), 'a number in sigmas must be a finite number above 0'),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        DiskOffset(SIZE, **settings)


def test_bad_samples_are_refused():
    codec = DiskOffset(SIZE, (21, 17))
    points = people(2)[0]
    with pytest.raises(ValueError, match='17 keypoints but the sample has 5'):
        codec.encode(points[:, :5])
    with pytest.raises(ValueError, match='instance_map must be of map_size'):
        codec.encode(points, instance_map=np.zeros((33, 41), np.uint8))
    with pytest.raises(ValueError, match='instance_map names person 3'):
        codec.encode(points, instance_map=np.full((17, 21), 3, np.uint8))
    encoded = codec.encode(points)
    with pytest.raises(ValueError, match='mid_offsets must be'):
        codec.decode(dict(encoded, mid_offsets=encoded['mid_offsets'][:10]))
    with pytest.raises(ValueError, match='missing'):
        codec.decode(dict(heatmaps=encoded['heatmaps']))


COORDINATE = st.one_of(
    st.floats(-20, 60, width=32), st.sampled_from([0.0, 0.5, 16.0, 32.0, 40.0, 1e6, -1e6])
)


@settings(max_examples=20, deadline=None)
@given(
    number=st.integers(0, 4),
    values=st.lists(COORDINATE, min_size=32, max_size=32),
    seen=st.lists(st.booleans(), min_size=16, max_size=16),
)
def test_degenerate_people(number, values, seen):
    """People are anywhere, on top of each other, in one point, or half of them outside."""
    codec = DiskOffset(SIZE, (21, 17), edges=SMALL, sigmas=[0.05] * 4, radius=6.0)
    points = np.array(values, np.float32).reshape(4, 4, 2)[:number]
    visible = np.array(seen, np.float32).reshape(4, 4)[:number]
    drawn = codec.encode(points, visible)
    assert set(np.unique(drawn['heatmaps'])) <= {0, 1}
    lengths = np.hypot(drawn['short_offsets'][0::2], drawn['short_offsets'][1::2])
    assert (lengths <= codec.radius + 1e-4).all()
    assert (drawn['mid_weights'] <= drawn['heatmaps'].max()).all()
    labeled = drawn['keypoint_weights'] > 0
    keypoints, scores, people_scores = codec.decode(drawn)
    assert keypoints.shape[1:] == (4, 2) and np.isfinite(keypoints).all()
    assert ((scores >= 0) & (scores <= 1)).all() and (people_scores > 0).all()
    if not labeled.any():
        assert len(keypoints) == 0
