# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Maps that a perfect model would predict for given people, for the tests of ClusterTag."""

import numpy as np
import torch

from mmpose_ext.codecs import ClusterTag

NAMED = [['nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'], list(range(5, 17))]
CLUSTERS = {'1': 1, '3': 3, '5': 5, '17': 17, 'named': NAMED}
SIZE, MAPS = 256, 64
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def perfect_maps(codec, people, references=None):
    """Return drawn heatmaps, and in each cell the tag of the cluster's nearest keypoint.

    Args:
        codec (ClusterTag): Draws the heatmaps.
        people: For each of B images (N, K, 3), [x, y] in input pixels and the visibility.
        references: For each image (N,), the people's reference embeddings. By default 8 apart, in
            no order.

    Returns:
        dict[str, Tensor]: ``heatmaps`` and ``tags``, (B, C, h, w) each.
    """
    w, h = codec.heatmap_size
    stride = np.array(codec.input_size) / (w, h)
    y, x = np.mgrid[:h, :w]
    rng = np.random.default_rng(5)
    step = codec.reference_step or 8.0
    heatmaps, tags = [], np.zeros((len(people), codec.num_clusters, h, w), dtype=np.float32)
    for b, persons in enumerate(people):
        persons = np.asarray(persons, dtype=np.float32)
        drawn = codec.encode(persons[..., :2], persons[..., 2])
        heatmaps.append(torch.from_numpy(drawn['heatmaps']))
        own = rng.permutation(len(persons)) * step if references is None else references[b]
        for c, cluster in enumerate(codec.clusters):
            n, place = np.nonzero(drawn['keypoint_weights'][:, cluster])
            if not len(n):
                continue
            points = (persons[n, np.array(cluster)[place], :2] + 0.5) / stride - 0.5
            distance = (points[:, 0, None, None] - x) ** 2 + (points[:, 1, None, None] - y) ** 2
            tags[b, c] = (np.asarray(own)[n] + place * codec.delta)[distance.argmin(0)]
    return dict(heatmaps=torch.stack(heatmaps), tags=torch.from_numpy(tags))


def match_people(found, expected):
    """Return the nearest found person for each expected person (N, K, 2)."""
    distance = np.abs(found[None] - expected[:, None]).max((2, 3))
    return distance.argmin(1), distance.min(1)


def make(clusters, **kwargs):
    return ClusterTag((SIZE, SIZE), (MAPS, MAPS), clusters=clusters, **kwargs)


def scattered_people(number, seed=0):
    """Return people (N, 17, 3) whose keypoints are at least 2 cells apart."""
    rng = np.random.default_rng(seed)
    spots = rng.permutation(21 * 21)[: number * 17]
    points = (
        np.stack([spots % 21, spots // 21], -1) * 12.0 + 6 + rng.uniform(-2, 2, (len(spots), 2))
    )
    return np.concatenate([points, np.ones((len(spots), 1))], -1).reshape(number, 17, 3)
