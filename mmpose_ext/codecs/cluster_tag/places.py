# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find which joint of its cluster a peak is, from the tags' offsets (Section 3.3, Eq. 4)."""

from __future__ import annotations

import numpy as np


def find_references(
    tags: np.ndarray,
    present: np.ndarray,
    sizes: np.ndarray,
    cluster: np.ndarray,
    delta: float,
    step: float | None = None,
) -> np.ndarray:
    """Estimate people's reference embeddings from the tags of their peaks.

    A peak of a cluster of c joints allows c references, tag - d * delta. The chosen reference is
    the one that brings all the person's peaks, of all clusters, nearest to the offsets of Eq. 4,
    with no two peaks of a cluster at one place. If a shift of all places explains the peaks equally
    well, the reference with the outermost places wins, because the presets put the joints there
    that are labeled most often.

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
    candidates = candidates.reshape(len(tags), -1)
    # (K, N, candidates): sums over the first dimension are the fastest
    offsets = (tags.T[:, :, None] - candidates) / delta
    last, there = (sizes - 1.0)[:, None, None], present.T[:, :, None]
    place = np.minimum(np.maximum(np.rint(offsets), 0), last)
    error = np.minimum(np.abs(offsets - place), 2)
    error -= 1e-3 * np.abs(place - last / 2)
    error *= there
    cost = error.sum(0)
    follows = there[1:] & there[:-1] & (cluster[1:] == cluster[:-1])[:, None, None]
    cost += (follows & (place[1:] == place[:-1])).sum(0)
    cost[~allowed.reshape(len(tags), -1)] = np.inf
    best = cost.argmin(1)[:, None]
    reference = np.take_along_axis(candidates, best, 1)[:, 0]
    if step:
        return reference
    # the mean over the peaks that fit, instead of a single peak's value
    offset = (tags - reference[:, None]) / delta
    place = np.clip(np.round(offset), 0, sizes - 1)
    fits = present & (np.abs(offset - place) <= 0.5)
    shift = np.where(fits, (offset - place) * delta, 0).sum(1) / np.maximum(fits.sum(1), 1)
    return reference + shift


def match_places(offsets: np.ndarray, present: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Match the peaks of R persons' clusters to the clusters' joints, by their tags' offsets.

    The sum of the squared deviations is minimal. For squares the order of the offsets is that of
    the places, so the best places are found peak by peak (dynamic programming), for all R at once.

    Args:
        offsets (np.ndarray): (R, P), the peaks' tags minus the reference, in delta.
        present (np.ndarray): (R, P) bool, which entries are peaks; at most ``sizes`` per row.
        sizes (np.ndarray): (R,) int, number of joints in the cluster.

    Returns:
        np.ndarray: (R, P) int64, the place d_k of each peak; arbitrary where there is no peak.
    """
    number, most = offsets.shape
    order = np.argsort(np.where(present, offsets, np.inf), axis=1, kind='stable')
    sorted_offsets = np.take_along_axis(offsets, order, 1)
    counts = present.sum(1)
    places = np.arange(sizes.max())
    cost = np.square(sorted_offsets[:, :, None] - places)  # (R, P, places)
    cost = np.where(places < sizes[:, None, None], cost, np.inf)
    # totals[p]: the least cost of the peaks from p on, with p at each place
    totals = np.empty((most, number, len(places)))
    after = np.zeros((number, len(places) + 1))  # ... with all of them at places from each on
    for p in range(most - 1, -1, -1):
        is_peak = (p < counts)[:, None]
        totals[p] = np.where(is_peak, cost[:, p] + after[:, 1:], 0)
        least = np.minimum.accumulate(totals[p][:, ::-1], axis=1)[:, ::-1]
        after[:, :-1] = least
        after[:, -1:] = np.where(is_peak, np.inf, 0)
    chosen = np.empty((number, most), np.int64)
    first = np.zeros((number, 1), np.int64)
    for p in range(most):
        chosen[:, p] = np.where(places >= first, totals[p], np.inf).argmin(1)
        first = chosen[:, p, None] + 1
    matched = np.empty_like(chosen)
    np.put_along_axis(matched, order, chosen, 1)
    return matched
