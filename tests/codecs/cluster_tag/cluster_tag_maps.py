# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What a perfect model would predict for given people: maps for the tests of ClusterTag."""

import numpy as np
import torch


def perfect_maps(codec, people, references=None):
    """Heatmaps as drawn; in each cell the tag of the cluster's nearest keypoint.

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
    """For each expected person (N, K, 2) the found one that is nearest to it."""
    distance = np.abs(found[None] - expected[:, None]).max((2, 3))
    return distance.argmin(1), distance.min(1)
