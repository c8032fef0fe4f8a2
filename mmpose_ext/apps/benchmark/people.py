# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Make keypoints of synthetic people, in input pixels."""

from __future__ import annotations

import numpy as np

from mmpose_ext.utils.ranges import require_range

#: COCO's keypoints of a standing person, x and y from the head's center in units of the height.
STANDING = np.array(
    [[0, 0.05], [0.03, 0.03], [-0.03, 0.03], [0.06, 0.04], [-0.06, 0.04], [0.12, 0.18]]
    + [[-0.12, 0.18], [0.17, 0.33], [-0.17, 0.33], [0.18, 0.47], [-0.18, 0.47], [0.08, 0.5]]
    + [[-0.08, 0.5], [0.09, 0.73], [-0.09, 0.73], [0.1, 0.95], [-0.1, 0.95]]
)


def uniform_people(
    size: tuple[int, int], people: int, keypoints: int, rng: np.random.Generator
) -> np.ndarray:
    """Return keypoints anywhere in the input.

    Args:
        size (tuple[int, int]): The input's [w, h].
        people (int): N.
        keypoints (int): K.
        rng (np.random.Generator): Random numbers.

    Returns:
        np.ndarray: (N, K, 2) float32.
    """
    points = rng.uniform(0, 1, (people, keypoints, 2)) * (np.array(size) - 1)
    return points.astype(np.float32)


def standing_people(size: tuple[int, int], people: int, rng: np.random.Generator) -> np.ndarray:
    """Return standing people on a jittered grid, (N, 17, 2) float32; more people are smaller.

    Args:
        size (tuple[int, int]): The input's [w, h].
        people (int): N.
        rng (np.random.Generator): Random numbers.
    """
    columns = int(np.ceil(np.sqrt(1.5 * people)))
    rows = int(np.ceil(people / columns))
    height = 0.85 * size[1] / rows
    spots = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)[:people]
    corner = (spots + (0.5, 0.05)) * (size[0] / columns, size[1] / rows)
    corner += rng.uniform(-0.03, 0.03, corner.shape) * height
    limbs = rng.normal(0, 0.015, (people, len(STANDING), 2))
    points = corner[:, None] + (STANDING + limbs) * height
    return points.clip(0, np.array(size) - 1).astype(np.float32)


def people_in_squares(
    size: tuple[int, int], people: int, keypoints: int, rng: np.random.Generator
) -> np.ndarray:
    """Return people with random poses in separate squares of a 6x6 grid, (N, K, 2) float32.

    Args:
        size (tuple[int, int]): The input's [w, h].
        people (int): N, at most 36.
        keypoints (int): K.
        rng (np.random.Generator): Random numbers.

    Raises:
        ArgumentError: If there are more people than squares.
    """
    require_range(1, 36, people=people)
    squares = rng.permutation(36)[:people]
    edge = np.array(size) // 6
    corners = np.stack([squares % 6, squares // 6], -1) * edge.astype(np.float64)
    inside = rng.uniform(0, 1, (people, keypoints, 2)) * (edge - 8) + 4
    return (corners[:, None] + inside).astype(np.float32)
