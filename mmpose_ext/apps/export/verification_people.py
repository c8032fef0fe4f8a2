# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Compare a bottom-up ONNX graph and the numpy decoder with PyTorch's results."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mmpose_ext.codecs.numpy_decoding import decode
from mmpose_ext.utils.sequences import zip_equal

from .graph import ExportGraph
from .verification import (
    Verification,
    as_input,
    disturbed,
    instances_of,
    maps_of,
    relative_difference,
)

#: Number of times that PyTorch's maps are disturbed.
TRIALS = 2
#: Maps differ only by rounding if they differ by at most this fraction of their largest value,
ROUNDING = 1e-5
#: or by at most this many times the difference between PyTorch's float32 and float64.
OWN_ROUNDINGS = 4
#: Beyond this distance, in input pixels, two people are not the same.
REGROUPED = 1.0


def verify_people(
    session: Any,
    graph: ExportGraph,
    batches: Sequence[Sequence[np.ndarray]],
    tolerance: float,
    metadata: dict,
) -> Verification:
    """Run graph and numpy decoder, and compare them with the model in PyTorch.

    There are two comparisons, both in input pixels, of each person with the most similar one of the
    other side:

    - The numpy decoder and the codec decode the graph's maps. All people must agree.
    - The numpy decoder's people from the graph's maps are compared with the model's people in
      PyTorch. Grouping is a discrete decision: in maps without structure (a random image), rounding
      alone groups the same peaks to other people. Such people, with a keypoint lost or more than a
      pixel away, are not compared if the maps agree to rounding. Keypoints are not compared if the
      codec moves them by more than half the tolerance when PyTorch's maps are disturbed by a few
      times the difference between its float32 and float64 results. All others must agree.

    Args:
        session, graph, batches, tolerance (object): See :func:`~.verification.verify`.
        metadata (dict): The file's metadata.
    """
    result = Verification(tolerance, 0.0, 0, 0, 0.0, [], empty_passes=True)
    precise = copy.deepcopy(graph).double()
    for images in (batch for size in batches for batch in size):
        b, h, w = images.shape[:3]
        result.inputs.append(f'{b}x{w}x{h}')
        inputs = as_input(graph, images)
        outputs = session.run(None, {'images': inputs.numpy()})
        maps, exact = maps_of(graph, inputs), maps_of(precise, inputs)
        given = {name: torch.from_numpy(v) for name, v in zip_equal(maps, outputs)}
        difference = relative_difference(given, maps)
        result.map_difference = max(result.map_difference or 0.0, difference)
        rounded = difference <= max(ROUNDING, OWN_ROUNDINGS * relative_difference(maps, exact))
        result.empty_passes &= rounded
        found = [people[0] for people in decode(outputs, metadata, (w, h))]
        by_codec = decoded_by_codec(graph.codec, given, (w, h))
        expected = [np.asarray(each.keypoints) for each in instances_of(graph.model, images)]
        moved = _moved(graph.codec, maps, exact, expected, (w, h))
        for mine, codecs, theirs, shift in zip_equal(found, by_codec, expected, moved):
            result.distance = max(result.distance, float(distances(codecs, mine).max(initial=0)))
            apart = distances(theirs, mine)
            regrouped = (apart > REGROUPED).any(1, keepdims=True) & rounded
            decided = ~regrouped & (shift <= tolerance / 2)
            result.compared += int(decided.sum())
            result.undecided += int((~decided).sum())
            result.distance = max(result.distance, float(apart[decided].max(initial=0)))
    if not result.compared and not (result.empty_passes and not result.undecided):
        result.distance = float('inf')
    return result


def _moved(
    codec: object, maps: dict, exact: dict, people: Sequence[np.ndarray], size: tuple[int, int]
) -> list[np.ndarray]:
    """Return how far (N, K) disturbed maps move each image's people (N, K, 2)."""
    generator = torch.Generator().manual_seed(0)
    moved = [np.zeros(keypoints.shape[:2]) for keypoints in people]
    for _ in range(TRIALS):
        noisy = disturbed(maps, exact, generator)
        for index, others in enumerate(decoded_by_codec(codec, noisy, size)):
            moved[index] = np.maximum(moved[index], distances(people[index], others))
    return moved


def decoded_by_codec(codec: Any, maps: dict, size: tuple[int, int]) -> list[np.ndarray]:
    """Decode maps with the codec to the people (N, K, 2) of each image, in input pixels."""
    people = codec.batch_decode(maps)[0]
    if type(codec).__name__ == 'DiskOffset':  # it decodes in the frame of its own input size
        ratio = (np.array(codec.input_size) - 1) / (np.array(size) - 1)
        people = [keypoints / ratio for keypoints in people]
    return people


def distances(people: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return distances (N, K) of keypoints (N, K, 2) from those of the most similar person."""
    if not len(people) or not len(others):
        return np.full(people.shape[:2], np.inf)
    apart = np.linalg.norm(people[:, None] - others[None], axis=-1)  # (N, M, K)
    nearest = apart.max(-1).argmin(1)
    return apart[np.arange(len(people)), nearest]
