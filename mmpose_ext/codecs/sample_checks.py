# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Checks of a sample's keypoints and auxiliary inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def clean_keypoints(
    codec: str, keypoints: np.ndarray, keypoints_visible: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Check a sample and copy it to float32, with unlabeled keypoints at 0, 0.

    Args:
        codec (str): The codec's name, for the message.
        keypoints (np.ndarray): (N, K, D) in input pixels, D at least 2.
        keypoints_visible (np.ndarray, optional): (N, K), 0 where unlabeled; all ones if None.

    Returns:
        tuple[np.ndarray, np.ndarray]: (N, K, 2) and (N, K), float32, finite throughout.

    Raises:
        ValueError: If the shapes do not match, a labeled keypoint is not finite, or a visibility
            is negative or not finite.
    """
    if keypoints.ndim != 3 or keypoints.shape[2] < 2:
        raise ValueError(f'{codec}: keypoints must be (N, K, 2), got {keypoints.shape}.')
    if keypoints_visible is None:
        keypoints_visible = np.ones(keypoints.shape[:2], dtype=np.float32)
    if keypoints_visible.shape != keypoints.shape[:2]:
        raise ValueError(
            f'{codec}: keypoints_visible must be {keypoints.shape[:2]} like the keypoints, '
            f'got {keypoints_visible.shape}.'
        )
    weights = np.array(keypoints_visible, dtype=np.float32)
    fine = np.isfinite(weights) & (weights >= 0)
    if not fine.all():
        raise ValueError(
            f'{codec}: keypoints_visible must be 0 or more and finite, got {weights[~fine][0]}. '
            'Correct the annotation: 0 is unlabeled.'
        )
    points = np.zeros((*weights.shape, 2), dtype=np.float32)
    np.copyto(points, keypoints[..., :2], where=(weights > 0)[..., None], casting='same_kind')
    if not np.isfinite(points).all():
        raise ValueError(
            f'{codec}: a labeled keypoint is NaN or infinite. Correct the annotation, or set '
            'its visibility to 0.'
        )
    return points, weights


def clean_auxiliary(
    codec: str, auxiliary: Mapping[str, np.ndarray | None], pixel_names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Drop inputs that are None, and reshape images to (C, h, w).

    Args:
        codec (str): The codec's name, for the message.
        auxiliary (Mapping[str, np.ndarray | None]): Per-person arrays (N, ...) and images.
        pixel_names (Sequence[str]): Which of them are images (h, w) or (C, h, w).

    Raises:
        ValueError: If an image has neither shape.
    """
    given = {name: np.asarray(v) for name, v in auxiliary.items() if v is not None}
    for name in pixel_names:
        if name not in given:
            continue
        if given[name].ndim not in (2, 3):
            raise ValueError(
                f'{codec}: {name} must be an image (h, w) or (C, h, w), got {given[name].shape}.'
            )
        if given[name].ndim == 2:
            given[name] = given[name][None]
    return given
