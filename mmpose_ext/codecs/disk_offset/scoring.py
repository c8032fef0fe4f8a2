# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Score people and suppress duplicates (StrongPose, Section III-D)."""

from __future__ import annotations

import numpy as np

from .plotting import Poses
from .settings import LEAST_SPREAD, DiskOffsetSettings


def rank(
    pose: Poses, scores: np.ndarray, settings: DiskOffsetSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score the people of an image, suppress duplicates, and sort them, the best first.

    Args:
        pose (Poses): F people.
        scores (np.ndarray): (F, K), the keypoints' scores.
        settings (DiskOffsetSettings): The kind of suppression and the thresholds.

    Returns:
        tuple: keypoints (N, K, 2), their scores (N, K) and the people's scores (N,).
    """
    people = scores.mean(-1) if len(scores) else np.zeros(0, np.float32)
    keep = np.argsort(-people, kind='stable')
    if settings.nms == 'claimed':
        people = claimed_scores(pose.keypoints, scores, keep, settings.nms_radius)
    elif settings.nms.endswith('_oks'):
        areas = box_areas(pose.keypoints, pose.found)
        oks = oks_matrix(pose.keypoints, areas, np.array(settings.sigmas, np.float32))
        if settings.nms == 'hard_oks':
            keep = hard_nms(oks, people, settings.nms_threshold)
        else:
            people = soft_nms(oks, people, settings.nms_threshold)
    keep = keep[np.argsort(-people[keep], kind='stable')]
    keep = keep[people[keep] > settings.score_threshold]
    return pose.keypoints[keep], scores[keep], people[keep].astype(np.float32)


def keypoint_spreads(pose: Poses, settings: DiskOffsetSettings) -> np.ndarray:
    """Return the standard deviations (F, K) of OKS in input pixels.

    They are 2 sigma_k times the person's size (the square root of the area of the box around the
    found keypoints), at least LEAST_SPREAD.
    """
    sizes = np.sqrt(box_areas(pose.keypoints, pose.found))
    spreads = sizes[:, None] * (2 * np.array(settings.sigmas, np.float32))
    return np.maximum(spreads, np.float32(LEAST_SPREAD))


def box_areas(keypoints: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the areas (F,) of the boxes around the found keypoints, at least 1.

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
    """Return the object keypoint similarity between all people, over all keypoints.

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
    """Return the people's scores from the keypoints that no better person claims (Eq. 1).

    Args:
        keypoints (np.ndarray): (F, K, 2) in input pixels.
        scores (np.ndarray): (F, K), the keypoints' scores.
        order (np.ndarray): (F,), the people, the best first.
        radius (float): r in input pixels.

    Returns:
        np.ndarray: (F,), the sum of the unclaimed keypoints' scores, divided by K.
    """
    points = keypoints[order]
    distance = np.square(points[:, None] - points[None]).sum(-1)  # (F, F, K)
    better = np.tri(len(points), k=-1, dtype=bool)  # [j, j']: j' < j
    claimed = ((distance <= radius**2) & better[..., None]).any(1)
    result = np.empty(len(points), scores.dtype)
    result[order] = np.where(claimed, 0, scores[order]).mean(-1)
    return result


def hard_nms(oks: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep people whose OKS with each better person that is kept is within the threshold.

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

    In order of their scores, each person multiplies the scores of those who remain by
    exp(-OKS^2 / threshold).

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
