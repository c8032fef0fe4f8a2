# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Which joint of its cluster a peak is, by the tags' offsets (Section 3.3, Eq. 4)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def find_references(
    tags: np.ndarray,
    present: np.ndarray,
    sizes: np.ndarray,
    cluster: np.ndarray,
    delta: float,
    step: float | None = None,
) -> np.ndarray:
    """Estimate people's reference embeddings from the tags of their peaks.

    A peak of a cluster of c joints allows c references, tag - d * delta. Of all these the one is
    taken that brings all the person's peaks, of all clusters, nearest to the offsets of Eq. 4, with
    no two peaks of a cluster at one place. Where a shift of all places explains the peaks equally
    well, the one with the outermost places: the presets have the joints there that are labelled
    most often.

    Args:
        tags (np.ndarray): (N, K), ascending among the peaks of a cluster.
        present (np.ndarray): (N, K) bool, which of the K slots hold a peak.
        sizes (np.ndarray): (K,) int, the joints in the slot's cluster.
        cluster (np.ndarray): (K,) int, the slot's cluster.
        delta (float): The tags' spacing.
        step (float, optional): References are multiples of it. Defaults to None: any number.

    Returns:
        np.ndarray: (N,).
    """
    places = np.arange(sizes.max())
    candidates = tags[:, :, None] - places * delta
    if step:
        candidates = np.round(candidates / step) * step
    allowed = present[:, :, None] & (places < sizes[:, None])
    candidates = candidates.reshape(len(tags), -1, 1)
    offsets = (tags[:, None] - candidates) / delta  # (N, candidates, K)
    place = np.clip(np.round(offsets), 0, sizes - 1)
    error = np.minimum(np.abs(offsets - place), 2)
    error -= 1e-3 * np.abs(place - (sizes - 1) / 2)
    cost = np.where(present[:, None], error, 0).sum(-1)
    follows = present[:, 1:] & present[:, :-1] & (cluster[1:] == cluster[:-1])
    cost += (follows[:, None] & (place[..., 1:] == place[..., :-1])).sum(-1)
    cost[~allowed.reshape(len(tags), -1)] = np.inf
    best = cost.argmin(1)[:, None]
    reference = np.take_along_axis(candidates[..., 0], best, 1)[:, 0]
    if step:
        return reference
    # the mean over the peaks that fit, instead of one peak's word
    offset = (tags - reference[:, None]) / delta
    place = np.clip(np.round(offset), 0, sizes - 1)
    fits = present & (np.abs(offset - place) <= 0.5)
    shift = np.where(fits, (offset - place) * delta, 0).sum(1) / np.maximum(fits.sum(1), 1)
    return reference + shift


def match_places(tags: np.ndarray, reference: float, size: int, delta: float) -> np.ndarray:
    """Match one person's peaks of a cluster to the cluster's joints, by their tags' offsets.

    Args:
        tags (np.ndarray): (P,), at most ``size``.
        reference (float): The person's reference embedding.
        size (int): Joints in the cluster.
        delta (float): The tags' spacing.

    Returns:
        np.ndarray: (P,) int, each peak's place d_k.
    """
    offsets = (tags - reference) / delta
    place = np.round(offsets).astype(np.int64)
    if place.min() >= 0 and place.max() < size and len(set(place.tolist())) == len(place):
        return place
    # squares, for which the order of the tags stays the order of the places
    return linear_sum_assignment((offsets[:, None] - np.arange(size)) ** 2)[1]
