# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The tree of COCO's keypoints, and its edges in both directions (StrongPose, Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Tuple

Edge = Tuple[int, int]

#: COCO's 17 keypoints as a tree (parent, child) from the nose: to each eye and each shoulder, eye
#: to ear, shoulder to hip to knee to ankle, shoulder to elbow to wrist; left before right.
COCO_EDGES: tuple[Edge, ...] = (
    (0, 1),
    (1, 3),
    (0, 2),
    (2, 4),
    (0, 5),
    (5, 7),
    (7, 9),
    (5, 11),
    (11, 13),
    (13, 15),
    (0, 6),
    (6, 8),
    (8, 10),
    (6, 12),
    (12, 14),
    (14, 16),
)


def directed_edges(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    """Return all E edges from parent to child, then all E from child to parent."""
    return (*edges, *((end, start) for start, end in edges))


def check_tree(edges: Sequence[Edge]) -> int:
    """Check that edges form a tree of all keypoints; return the number of keypoints K.

    Raises:
        ValueError: If a keypoint is not reached, or reached twice.
    """
    num_keypoints = 1 + max((max(edge) for edge in edges), default=0)
    reached, waiting = {0}, [0]
    while waiting:
        here = waiting.pop()
        ends = {end for start, end in directed_edges(edges) if start == here} - reached
        reached |= ends
        waiting += ends
    if len(reached) != num_keypoints or len(edges) != num_keypoints - 1:
        raise ValueError(
            f'edges must be a tree of all keypoints 0 to {num_keypoints - 1}, that is '
            f'{num_keypoints - 1} edges that reach all; got {len(edges)} that reach '
            f'{len(reached)} keypoints.'
        )
    return num_keypoints


def edges_from(edges: Sequence[Edge], num_keypoints: int) -> list[list[int]]:
    """Return the indices of the directed edges that start at each keypoint.

    Returns:
        list[list[int]]: K lists of one length, padded with -1.
    """
    lists: list[list[int]] = [[] for _ in range(num_keypoints)]
    for index, (start, _) in enumerate(directed_edges(edges)):
        lists[start].append(index)
    longest = max(len(indices) for indices in lists)
    return [indices + [-1] * (longest - len(indices)) for indices in lists]


def mirrored_edges(edges: Sequence[Edge], flip_indices: Sequence[int]) -> list[int]:
    """Return the index of the mirror image of each directed edge.

    Raises:
        ValueError: If a mirror image is not in the graph.
    """
    directed = directed_edges(edges)
    index = {edge: i for i, edge in enumerate(directed)}
    mirrored = [(flip_indices[start], flip_indices[end]) for start, end in directed]
    missing = [edge for edge in mirrored if edge not in index]
    if missing:
        raise ValueError(
            f'edges {missing} are the mirror images of others but are not in the kinematic graph. '
            "Use edges that the data set's flip_indices map onto each other."
        )
    return [index[edge] for edge in mirrored]
