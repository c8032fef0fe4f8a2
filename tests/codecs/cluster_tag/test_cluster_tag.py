# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import math

import numpy as np
import pytest
import torch
from mmpose.codecs.utils import generate_udp_gaussian_heatmaps
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs

from mmpose_ext.codecs import ClusterTag

INPUT, MAPS = (64, 45), (16, 12)
STRIDE = np.array([4.0, 3.75])
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def make(clusters=5, **settings):
    return ClusterTag(INPUT, MAPS, clusters=clusters, sigma=1, **settings)


def random_people(number, seed=0, margin=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-margin, np.array(INPUT) - 1 + margin, (number, 17, 2))
    return points.astype(np.float32), (rng.random((number, 17)) < 0.8).astype(np.float32)


def draw_slowly(codec, people, visible):
    """Draw by Sections 3.2 and 3.3, keypoint by keypoint and cell by cell."""
    w, h = codec.heatmap_size
    reach = int(3 * codec.sigma)
    heatmaps = np.zeros((codec.num_clusters, h, w))
    indices = np.zeros(visible.shape, dtype=np.int64)
    weights = visible.copy()
    for n, person in enumerate(people):
        for k, point in enumerate(person):
            if not visible[n, k]:
                continue
            px, py = (point + 0.5) / STRIDE - 0.5
            cx, cy = math.floor(px + 0.5), math.floor(py + 0.5)
            if 0 <= cx < w and 0 <= cy < h:
                indices[n, k] = cy * w + cx
            else:
                weights[n, k] = 0
            for c, cluster in enumerate(codec.clusters):
                if k not in cluster:
                    continue
                for y in range(max(0, cy - reach), min(h, cy + reach + 1)):
                    for x in range(max(0, cx - reach), min(w, cx + reach + 1)):
                        square = (x - px) ** 2 + (y - py) ** 2
                        value = math.exp(-square / (2 * codec.sigma**2))
                        heatmaps[c, y, x] = max(heatmaps[c, y, x], value)
    return heatmaps, indices, weights


@pytest.mark.parametrize('clusters', [1, 3, 5, 17])
@pytest.mark.parametrize('number', [0, 1, 4])
def test_drawn_as_the_slow_reference(clusters, number):
    codec = make(clusters)
    people, visible = random_people(number, margin=15)
    drawn = codec.encode(people, visible)
    heatmaps, indices, weights = draw_slowly(codec, people, visible)
    np.testing.assert_allclose(drawn['heatmaps'], heatmaps, atol=1e-5)
    np.testing.assert_array_equal(drawn['keypoint_indices'], indices)
    np.testing.assert_array_equal(drawn['keypoint_weights'], weights)
    assert drawn['keypoint_indices'].dtype == np.int64


def test_single_clusters_are_the_udp_heatmaps_of_mmpose():
    people, visible = random_people(4)
    drawn = make(17).encode(people, visible)['heatmaps']
    cells = ((people + 0.5) / STRIDE - 0.5).astype(np.float32)
    expected, _ = generate_udp_gaussian_heatmaps(MAPS, cells, visible, 1)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


def test_degenerate_people():
    """People are far outside (even beyond int64), unlabeled, or the same person twice."""
    codec = make()
    people, visible = random_people(4)
    people[0] = 1e30
    visible[1] = 0
    people[3], visible[3] = people[2], visible[2]
    drawn = codec.encode(people, visible)
    alone = codec.encode(people[2:3], visible[2:3])
    np.testing.assert_array_equal(drawn['heatmaps'], alone['heatmaps'])
    assert not drawn['keypoint_weights'][:2].any()
    assert not drawn['keypoint_indices'][:2].any()


def packed(codec_cfg, sizes):
    samples = []
    for seed, number in enumerate(sizes):
        people, visible = random_people(number, seed, margin=10)
        mask = np.random.default_rng(seed).random((12, 16)) < 0.5
        sample = dict(keypoints=people, keypoints_visible=visible, loss_mask=mask)
        sample['img'] = np.zeros((45, 64, 3), np.uint8)
        sample = GenerateTarget(codec_cfg)(sample)
        samples.append(PackPoseInputs(meta_keys=())(sample)['data_samples'])
    return samples


def test_worker_and_device_draw_the_same():
    cfg = dict(type='ClusterTag', input_size=INPUT, heatmap_size=MAPS, clusters=5, sigma=1)
    codec = make()
    worker = codec.targets(packed(cfg, (3, 0, 1)))
    device = codec.targets(packed(dict(cfg, draw_on_device=True), (3, 0, 1)))
    assert worker.keys() == device.keys()
    for name, value in worker.items():
        torch.testing.assert_close(device[name], value, msg=name)
    assert worker['heatmap_weights'].shape == (3, 1, 12, 16)
    assert 0 < worker['heatmap_weights'].mean() < 1


def test_mask_of_another_size_is_resized():
    people, visible = random_people(1)
    mask = np.zeros((45, 64), bool)
    mask[:, :32] = True
    weights = make().encode(people, visible, loss_mask=mask)['heatmap_weights']
    assert (weights[:, :, :7] == 1).all() and (weights[:, :, 9:] == 0).all()
    assert (make().encode(people, visible)['heatmap_weights'] == 1).all()


@pytest.mark.parametrize('clusters', [1, 3, 5, 17])
def test_flipped_maps_are_the_maps_of_flipped_people(clusters):
    codec = make(clusters)
    people, visible = random_people(3)
    maps = codec.draw(torch.tensor(people)[None], torch.tensor(visible)[None])['heatmaps']
    mirrored = people[:, FLIP] * (-1, 1) + (INPUT[0] - 1, 0)
    mirrored = torch.tensor(mirrored, dtype=torch.float32)[None]
    flipped = codec.draw(mirrored, torch.tensor(visible[:, FLIP])[None])['heatmaps']
    tags = torch.randn_like(maps)
    merged = codec.merge_flipped(
        dict(heatmaps=maps, tags=tags), dict(heatmaps=flipped, tags=-tags), FLIP
    )
    torch.testing.assert_close(merged['heatmaps'], maps, atol=1e-5, rtol=0)
    # in clusters of several joints, the mirrored tags do not count: they have partners' offsets
    passes = [tags] if codec.num_clusters < 17 else [tags, -tags[:, FLIP].flip(-1)]
    assert torch.equal(merged['tags'], torch.cat(passes, 1))


def test_clusters_that_do_not_mirror_are_not_flipped():
    codec = make([[k for k in range(17) if k % 3 == r] for r in range(3)])
    maps = dict(heatmaps=torch.zeros(1, 3, 12, 16), tags=torch.zeros(1, 3, 12, 16))
    with pytest.raises(ValueError, match='flip_test=False'):
        codec.merge_flipped(maps, maps, FLIP)


def test_places():
    codec = make([['left_hip', 'nose'], list(range(1, 11)), [12, 13, 14, 15, 16]])
    assert codec.cluster_of[[11, 0, 3, 12]].tolist() == [0, 0, 1, 2]
    assert codec.place_in_cluster[[11, 0, 3, 12]].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(clusters=[['nose', 'tail']]), "no keypoint 'tail'"),
        (dict(clusters=[['nose']]), 'missing'),
        (dict(clusters=4), 'no such partition'),
        (dict(clusters=[[0.5, *range(1, 17)]]), 'a keypoint index in clusters must be a whole'),
        (dict(nms_kernel=4), 'nms_kernel must be odd'),
        (dict(order=[0, 0, 1, 2, 3]), 'each of the 5 clusters once'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


@pytest.mark.parametrize('size', [(1, 12), (16,)])
def test_bad_map_size(size):
    with pytest.raises(ValueError, match='heatmap_size'):
        ClusterTag(INPUT, size)


def test_wrong_number_of_keypoints():
    with pytest.raises(ValueError, match='have 15 keypoints, the clusters 17'):
        make().encode(np.ones((1, 15, 2), np.float32), np.ones((1, 15), np.float32))


def test_wrong_maps():
    codec = make()
    maps = torch.zeros(1, 5, 12, 16)
    with pytest.raises(ValueError, match='one channel per cluster'):
        codec.batch_decode(dict(heatmaps=maps, tags=maps[:, :4]))
    with pytest.raises(ValueError, match='missing'):
        codec.batch_decode(dict(heatmaps=maps))
    bad = maps.clone()
    bad[0, 0, 3, 3] = torch.nan
    for broken in (dict(heatmaps=bad, tags=maps), dict(heatmaps=maps + 1, tags=bad)):
        with pytest.raises(ValueError, match='NaN or infinite'):
            codec.batch_decode(broken)
    spread = torch.full((1, 5, 12, 16), 0.3)  # with equal tags, an infinite peak is matched
    for channel in range(5):
        flat = spread.clone()
        flat[0, channel, 3, 3] = torch.inf
        with pytest.raises(ValueError, match='heatmaps holds 1 NaN or infinite'):
            codec.batch_decode(dict(heatmaps=flat, tags=maps))
