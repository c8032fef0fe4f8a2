# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmpose_ext.codecs.cluster_tag.clusters import make_clusters, mirror_clusters

INFO = parse_pose_metainfo(dict(from_file='configs/_base_/datasets/coco.py'))
NAMES = [INFO['keypoint_id2name'][k] for k in range(17)]
FLIP = INFO['flip_indices']


@pytest.mark.parametrize(
    'number, sizes',
    [
        (1, [17]),
        (3, [5, 6, 6]),  # the paper's
        (5, [3, 3, 3, 4, 4]),  # the paper's
        (17, [1] * 17),
    ],
)
def test_presets_are_partitions_that_mirror(number, sizes):
    clusters = make_clusters(number, NAMES)
    assert sorted(map(len, clusters)) == sizes
    assert sorted(k for cluster in clusters for k in cluster) == list(range(17))
    mirrored = mirror_clusters(clusters, FLIP)
    for c, cluster in enumerate(clusters):
        assert {FLIP[k] for k in cluster} == set(clusters[mirrored[c]])


def test_presets_go_by_name():
    """The partition is the same if the data set numbers its keypoints in another order."""
    backwards = NAMES[::-1]
    expected = [[NAMES[k] for k in cluster] for cluster in make_clusters(5, NAMES)]
    assert [[backwards[k] for k in cluster] for cluster in make_clusters(5, backwards)] == expected


def test_one_and_all_suit_any_data_set():
    assert make_clusters(1, ['a', 'b', 'c']) == [[0, 1, 2]]
    assert make_clusters(3, ['a', 'b', 'c']) == [[0], [1], [2]]


def test_names_and_indices_keep_their_order():
    assert make_clusters([['c', 0], ['b']], ['a', 'b', 'c']) == [[2, 0], [1]]


@pytest.mark.parametrize(
    'clusters, message',
    [
        ([['a', 'b']], r"missing \['c'\], repeated \[\]"),
        ([['a', 'b'], ['c', 'b']], r"missing \[\], repeated \['b'\]"),
        ([['a', 'a'], [1]], r"missing \['c'\], repeated \['a'\]"),  # twice in one, and a gap
        ([['a', 'b', 'c'], []], 'cluster 1 is empty'),
        ([['a', 'b', 'tail']], "no keypoint 'tail'. It has: a, b, c"),
        ([[0, 1, 3]], 'index 3 is not in 0 to 2'),
        ([[0, 1, -1]], 'index in clusters must be a whole number of 0 or more, got -1'),
        (5, 'no such partition of these 3 keypoints'),
        (0, 'no such partition'),
    ],
)
def test_no_partition_is_refused(clusters, message):
    with pytest.raises(ValueError, match=message):
        make_clusters(clusters, ['a', 'b', 'c'])


def test_clusters_that_do_not_mirror():
    clusters = [[k for k in range(17) if k % 3 == r] for r in range(3)]
    assert mirror_clusters(clusters, FLIP) is None
