# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Scores of people and suppression of repeated ones (StrongPose, Section III-D)."""

import numpy as np

#: COCO's 17 precisions sigma_k; OKS uses 2 sigma_k times the person's size.
COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
    0.087, 0.087, 0.089, 0.089,
)  # fmt: skip
#: How repeated people are dealt with.
NMS_KINDS = ('none', 'claimed', 'hard_oks', 'soft_oks')


def box_areas(keypoints: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Give the areas (F,) of the boxes around the found keypoints, at least 1.

    Args:
        keypoints (np.ndarray): (F, K, 2) in input pixels.
        found (np.ndarray): (F, K) bool.
    """
    if not len(keypoints):
        return np.zeros(0, np.float32)
    low = np.where(found[..., None], keypoints, np.inf).min(1)
    high = np.where(found[..., None], keypoints, -np.inf).max(1)
    return (high - low).clip(min=1.0).prod(-1)


def oks_matrix(keypoints: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Give the object keypoint similarity between all people, over all keypoints.

    The size is the mean of both people's areas, as in mmpose's ``oks_iou``.

    Args:
        keypoints (np.ndarray): (F, K, 2).
        areas (np.ndarray): (F,).
        sigmas (np.ndarray): (K,).

    Returns:
        np.ndarray: (F, F) in [0, 1].
    """
    distance = np.square(keypoints[:, None] - keypoints[None]).sum(-1)
    size = (areas[:, None] + areas[None]) / 2 + np.spacing(1)
    return np.exp(-distance / (8 * np.square(sigmas) * size[..., None])).mean(-1)


def claimed_scores(
    keypoints: np.ndarray, scores: np.ndarray, order: np.ndarray, radius: float
) -> np.ndarray:
    """Give the people's scores by the keypoints that no better person claims (Eq. 1).

    Args:
        keypoints (np.ndarray): (F, K, 2) in input pixels.
        scores (np.ndarray): (F, K) the keypoints' scores.
        order (np.ndarray): (F,) the people, the best first.
        radius (float): r in input pixels.

    Returns:
        np.ndarray: (F,) the sum of the unclaimed keypoints' scores, divided by K.
    """
    points = keypoints[order]
    distance = np.square(points[:, None] - points[None]).sum(-1)  # (F, F, K)
    better = np.tri(len(points), k=-1, dtype=bool)  # [j, j']: j' < j
    claimed = ((distance <= radius**2) & better[..., None]).any(1)
    result = np.empty(len(points), scores.dtype)
    result[order] = np.where(claimed, 0, scores[order]).mean(-1)
    return result


def hard_nms(oks: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep people, the best first, whose OKS with each better one kept is within the threshold.

    Args:
        oks (np.ndarray): (F, F).
        scores (np.ndarray): (F,).
        threshold (float): Largest OKS between two people.

    Returns:
        np.ndarray: Indices of those kept, the best first.
    """
    order = np.argsort(-scores, kind='stable')
    dropped = np.zeros(len(order), bool)
    kept = []
    for i in order:
        if not dropped[i]:
            kept.append(i)
            dropped |= oks[i] > threshold
    return np.array(kept, dtype=np.int64)


def soft_nms(oks: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Lower the scores of people who resemble better ones (Gaussian soft-NMS).

    Best first, each person multiplies the scores of all that remain by exp(-OKS^2 / threshold).

    Args:
        oks (np.ndarray): (F, F).
        scores (np.ndarray): (F,).
        threshold (float): The Gaussian's width.

    Returns:
        np.ndarray: The new scores (F,).
    """
    scores = scores.astype(np.float64)
    remaining = np.ones(len(scores), bool)
    decay = np.exp(-np.square(oks) / threshold)
    for _ in range(len(scores)):
        best = int(np.where(remaining, scores, -1).argmax())
        remaining[best] = False
        scores[remaining] *= decay[best, remaining]
    return scores
