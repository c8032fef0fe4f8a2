# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Simulate a person detector's boxes: displaced, sometimes missing, sometimes wrong."""

from __future__ import annotations

import numpy as np


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union (N, M) of boxes (N, 4) and (M, 4), each x, y, w, h."""
    first, second = first[:, None], second[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=-1)
    areas = first[..., 2:].prod(axis=-1) + second[..., 2:].prod(axis=-1)
    return overlap / np.maximum(areas - overlap, 1e-9)


def _clip(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    low = np.clip(box[:2], 0, size)
    high = np.clip(box[:2] + box[2:], 0, size)
    return np.concatenate((low, high - low))


def _jitter(rng: np.random.Generator, box: np.ndarray, amount: float) -> np.ndarray:
    """Return a box whose center and sides are off by about ``amount`` of its sides."""
    center = box[:2] + box[2:] / 2 + rng.normal(0, amount, 2) * box[2:]
    sides = box[2:] * np.exp(rng.normal(0.2 * amount, 1.3 * amount, 2))
    return np.concatenate((center - sides / 2, sides))


def _score(rng: np.random.Generator, quality: float) -> float:
    """Return a confidence for a quality of 0 to 1, with a detector's steep curve."""
    return float(1 / (1 + np.exp(-(8 * (quality - 0.45) + rng.normal(0, 0.7)))))


def detect(
    rng: np.random.Generator, boxes: np.ndarray, shown: np.ndarray, size: tuple[int, int]
) -> list[tuple[np.ndarray, float]]:
    """Simulate the detections in one image.

    Args:
        boxes (np.ndarray): (N, 4) true boxes, x, y, w, h in pixels.
        shown (np.ndarray): (N,) fraction of each person's keypoints that are visible, 0 to 1.
        size (tuple[int, int]): (w, h) of the image.

    Returns:
        list[tuple[np.ndarray, float]]: Boxes (4,) and scores, best first. Hidden and small people
        are missed more often and located less accurately; a tenth of the people get a second, worse
        box; some boxes are false.
    """
    found = []
    for box, share in zip(np.asarray(boxes, float), shown):
        small = np.clip(1 - np.sqrt(box[2:].prod()) / (0.15 * min(size)), 0, 1)
        if rng.random() < 0.015 + 0.18 * (1 - share) + 0.25 * small:
            continue
        found.append((box, _jitter(rng, box, 0.028 + 0.05 * (1 - share)), share))
        if rng.random() < 0.1:
            found.append((box, _jitter(rng, box, 0.14), 0.45 * share))
    results = []
    for box, guess, share in found:
        guess = _clip(guess, size)
        overlap = box_iou(box[None], guess[None])[0, 0]
        results.append((guess, _score(rng, overlap * (0.55 + 0.45 * share))))
    for _ in range(rng.poisson(0.35)):
        sides = min(size) * rng.uniform((0.08, 0.12), (0.4, 0.7))
        box = _clip(np.concatenate((rng.uniform(0, 1, 2) * size - sides / 2, sides)), size)
        results.append((box, _score(rng, rng.beta(2, 9))))
    results = [(box, score) for box, score in results if box[2:].min() >= 2]
    return sorted(results, key=lambda result: -result[1])
