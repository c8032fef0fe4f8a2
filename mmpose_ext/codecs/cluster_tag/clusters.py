# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Partitions of the keypoints into clusters (Cluster-wise Learning Network, Section 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mmpose_ext.codecs.setting_checks import check_whole

#: The clusters of codec, head, backbone and neck by default: one for each of COCO's keypoints.
DEFAULT_CLUSTERS = 17
#: Partitions of COCO's 17 keypoints along the body. Each cluster's mirror image is a cluster too.
#: A keypoint's place in its cluster is d_k of Eq. 4. A person's tags cannot reveal a shift of all
#: places, unless keypoints at the first and at the last place of some cluster are both present.
#: So the places at the ends go to keypoints that are labeled often, and the left and right
#: clusters run in opposite directions.
PRESETS = {
    1: (
        'left_shoulder left_elbow left_wrist left_hip left_knee left_ankle nose left_eye right_eye '
        'left_ear right_ear right_ankle right_knee right_hip right_wrist right_elbow '
        'right_shoulder',
    ),
    3: (
        'nose left_eye left_ear right_ear right_eye',
        'left_shoulder left_elbow left_wrist right_wrist right_elbow right_shoulder',
        'right_hip right_knee right_ankle left_ankle left_knee left_hip',
    ),
    5: (
        'nose left_eye right_eye',
        'left_hip left_knee left_ankle',
        'right_ankle right_knee right_hip',
        'left_wrist left_elbow left_ear left_shoulder',
        'right_shoulder right_ear right_elbow right_wrist',
    ),
}


def make_clusters(
    clusters: int | Sequence[Sequence[str | int]], names: Sequence[str]
) -> list[list[int]]:
    """Return a partition of the keypoints as lists of keypoint indices.

    Args:
        clusters (int | Sequence[Sequence[str | int]]): 3 or 5 for the paper's partitions of COCO's
            keypoints (5, 6, 6 and 3, 3, 3, 4, 4 joints); 1 for all keypoints in one cluster; K, the
            number of keypoints, for one cluster per keypoint; or a list of clusters, each a list of
            keypoint names or indices. The order within a cluster gives the keypoints' places d_k
            (Eq. 4).
        names (Sequence[str]): The data set's K keypoint names.

    Returns:
        list[list[int]]: For each cluster, the indices of its keypoints in the order of their
        places.

    Raises:
        ValueError: If there is no such preset, a name or an index is not in the data set, a
            cluster is empty, or a keypoint is missing or repeated.
    """
    names = list(names)
    if isinstance(clusters, int):
        return _preset(clusters, names)
    indices = [[_index(keypoint, names) for keypoint in cluster] for cluster in clusters]
    if not all(indices):
        raise ValueError(f'clusters: cluster {indices.index([])} is empty.')
    count = Counter(k for cluster in indices for k in cluster)
    repeated = [names[k] for k, times in count.items() if times > 1]
    missing = [name for k, name in enumerate(names) if k not in count]
    if repeated or missing:
        raise ValueError(
            'clusters must hold each keypoint of the data set exactly once: '
            f'missing {missing}, repeated {repeated}.'
        )
    return indices


def mirror_clusters(
    clusters: Sequence[Sequence[int]], flip_indices: Sequence[int]
) -> list[int] | None:
    """Find the mirror image of each cluster.

    Args:
        clusters (Sequence[Sequence[int]]): C clusters of keypoint indices.
        flip_indices (Sequence[int]): K indices, the left-right partner of each keypoint.

    Returns:
        list[int] | None: C indices, for each cluster the cluster that holds the partners of its
        keypoints. None if the partners of some cluster's keypoints do not form a cluster: such maps
        cannot be flipped.
    """
    numbers = {frozenset(cluster): c for c, cluster in enumerate(clusters)}
    partners = [frozenset(flip_indices[k] for k in cluster) for cluster in clusters]
    if any(partner not in numbers for partner in partners):
        return None
    return [numbers[partner] for partner in partners]


def _preset(number: int, names: list[str]) -> list[list[int]]:
    preset = [cluster.split() for cluster in PRESETS.get(number, ())]
    if preset and sorted(sum(preset, [])) == sorted(names):
        return [[names.index(name) for name in cluster] for cluster in preset]
    if number == 1:
        return [list(range(len(names)))]
    if number == len(names):
        return [[k] for k in range(len(names))]
    raise ValueError(
        f'clusters={number!r}: there is no such partition of these {len(names)} keypoints. Use 1, '
        f"{len(names)}, for COCO's 17 keypoints also 3 or 5, or list the clusters by keypoint "
        'names.'
    )


def _index(keypoint: str | int, names: list[str]) -> int:
    if isinstance(keypoint, str):
        if keypoint not in names:
            raise ValueError(
                f'clusters: the data set has no keypoint {keypoint!r}. It has: {", ".join(names)}.'
            )
        return names.index(keypoint)
    if check_whole('ClusterTag', 'a keypoint index in clusters', keypoint, least=0) >= len(names):
        raise ValueError(
            f'clusters: keypoint index {keypoint} is not in 0 to {len(names) - 1}, the data '
            "set's keypoints."
        )
    return int(keypoint)
