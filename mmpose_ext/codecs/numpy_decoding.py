# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decode an exported model's outputs to people, in pure numpy."""

from __future__ import annotations

import numpy as np

from .cluster_tag.numpy_maps import decode_cluster_tag
from .cluster_tag.settings import ClusterTagSettings
from .disk_offset.numpy_maps import decode_disk_offset
from .disk_offset.settings import DiskOffsetSettings
from .map_checks import check_whole_maps

#: The settings class and the decoder, by codec name.
BOTTOM_UP = {
    DiskOffsetSettings.codec: (DiskOffsetSettings, decode_disk_offset),
    ClusterTagSettings.codec: (ClusterTagSettings, decode_cluster_tag),
}


def decode(outputs: list[np.ndarray], metadata: dict, size: tuple[int, int]) -> list[tuple]:
    """Return the people of a batch, in input pixels.

    Args:
        outputs (list[np.ndarray]): The result of ``session.run(None, {'images': images})``.
        metadata (dict): See :func:`read_metadata`.
        size (tuple[int, int]): The images' [w, h].

    Returns:
        list[tuple]: For each image keypoints (N, K, 2) in input pixels, their scores (N, K) and the
        scores of the people (N,), in descending order. N = 1 for a top-down model.

    Raises:
        ValueError: If the file holds a top-down model without decoding, the outputs do not match
            the file, or an output is NaN or infinite.
    """
    if len(outputs) != len(metadata['outputs']):
        raise ValueError(f'{len(outputs)} outputs for the names {list(metadata["outputs"])}')
    named = dict(zip(metadata['outputs'], outputs))
    if 'keypoints' in named:
        check_whole_maps('decode', named)
        pairs = zip(named['keypoints'], named['scores'])
        return [(points[None], scores[None], scores.mean()[None]) for points, scores in pairs]
    decoding = metadata.get('decoding')
    if decoding is None:
        raise ValueError(
            "a top-down model's keypoints must be decoded in the graph: export it with decode=True"
        )
    kind, decode_maps = BOTTOM_UP[decoding['codec']]
    return decode_maps(named, kind(**decoding['settings']), size)  # type: ignore[operator]
