# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From an exported model's outputs to people, with numpy only."""

from __future__ import annotations

import numpy as np

from mmpose_ext.utils.sequences import zip_equal

from .numpy_cluster_tag import decode_cluster_tag
from .numpy_disk_offset import decode_disk_offset

BOTTOM_UP = {'DiskOffset', 'ClusterTag'}


def decode(outputs: list[np.ndarray], metadata: dict, size: tuple[int, int]) -> list[tuple]:
    """Give the people of a batch, in input pixels.

    Args:
        outputs (list[np.ndarray]): What ``session.run(None, {'images': images})`` gives.
        metadata (dict): See :func:`read_metadata`.
        size (tuple[int, int]): The images' [w, h].

    Returns:
        list[tuple]: For each image keypoints (N, K, 2) in input pixels, their scores (N, K) and the
        people's scores (N,), from the highest down. N = 1 for a top-down model.

    Raises:
        ValueError: If the file holds a top-down model without decoding.
    """
    named = dict(zip_equal(metadata['outputs'], outputs))
    if 'keypoints' in named:
        pairs = zip_equal(named['keypoints'], named['scores'])
        return [(points[None], scores[None], scores.mean()[None]) for points, scores in pairs]
    settings = metadata.get('decoding')
    if settings is None or settings['codec'] not in BOTTOM_UP:
        raise ValueError("a top-down model's keypoints need an export with --decode")
    if settings['codec'] == 'DiskOffset':
        return decode_disk_offset(named, settings, size)
    return decode_cluster_tag(named, settings)
