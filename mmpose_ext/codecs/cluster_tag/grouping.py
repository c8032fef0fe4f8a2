# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Grouping of peaks into people by their tags (Section 3.3)."""

from __future__ import annotations

import numpy as np

from .matching import match_rows
from .settings import ClusterTagSettings


def group_by_tags(
    cluster: np.ndarray, tags: np.ndarray, scores: np.ndarray, settings: ClusterTagSettings
) -> np.ndarray:
    """Assign each peak of an image to a person.

    A person's tags in a cluster of c joints lie in [r, r + (c - 1) * delta], where r is the
    person's reference embedding. So the peaks fall into sets whose tags are further apart than the
    tags of one person can be. A set is a person if its spread is small enough for one person, and
    if it has no more peaks of a cluster than the cluster has joints. The peaks of all other sets
    are matched cluster by cluster (:func:`match_by_tags`), as associative embedding does with all
    peaks.

    Tags may be vectors, from T passes of the network. Their distance is the root mean square of the
    differences, as in the public code of associative embedding, so that a threshold means the same
    for any T. Peaks with vector tags are all matched.

    Args:
        cluster (np.ndarray): (P,) int, the cluster of each peak.
        tags (np.ndarray): (P,) or (P, T).
        scores (np.ndarray): (P,), the heatmap value at each peak.
        settings (ClusterTagSettings): The clusters, their order, ``delta`` and ``tag_threshold``,
            which is how far outside a person's interval a tag may lie.

    Returns:
        np.ndarray: (P,) int, the index of each peak's person, from 0. No peak is left out.
    """
    if not len(tags):
        return np.zeros(0, dtype=np.int64)
    if tags.ndim > 1 and tags.shape[1] > 1:
        return match_by_tags(cluster, tags, scores, settings)
    tags, sizes = tags.reshape(-1), np.array(settings.sizes)
    threshold, widest = settings.tag_threshold, (sizes.max() - 1) * settings.delta
    by_tag = np.argsort(tags, kind='stable')
    sorted_tags = tags[by_tag]
    starts = np.flatnonzero(sorted_tags[1:] - sorted_tags[:-1] >= threshold + widest) + 1
    first = np.concatenate([[0], starts])
    last = np.concatenate([starts, [len(tags)]]) - 1
    person = np.empty(len(tags), dtype=np.int64)
    person[by_tag] = np.repeat(np.arange(len(first)), last - first + 1)
    count = np.bincount(person * len(sizes) + cluster, minlength=len(first) * len(sizes))
    is_person = (count.reshape(-1, len(sizes)) <= sizes).all(1)
    is_person &= sorted_tags[last] - sorted_tags[first] < threshold + widest
    if is_person.all():
        return person
    open_peaks = np.flatnonzero(~is_person[person])
    person = (np.cumsum(is_person) - 1)[person]
    person[open_peaks] = is_person.sum() + match_by_tags(
        cluster[open_peaks], tags[open_peaks], scores[open_peaks], settings
    )
    return person


def match_by_tags(
    cluster: np.ndarray, tags: np.ndarray, scores: np.ndarray, settings: ClusterTagSettings
) -> np.ndarray:
    """Group peaks into people cluster by cluster, by optimal matching.

    Each person takes up to c peaks of a cluster of c joints. The cost of a peak is that of
    associative embedding, round(distance) * 100 - score, where the distance from the peak's tag to
    the person's interval is in units of the threshold. Among equal costs the nearer tag wins. A
    peak that belongs to nobody starts a new person: alone in a cluster of one joint, else together
    with the other unassigned peaks whose tags may belong to the same person.

    Arguments and result are those of :func:`group_by_tags`.
    """
    tags, rests = _split(tags)
    person = np.full(len(tags), -1)
    low, high, clusters = np.zeros((3, len(tags)))  # sums of the bounds of each reference
    rest, peaks = np.zeros_like(rests), np.zeros((len(tags), 1))
    number, sizes = 0, settings.sizes
    assert settings.order is not None
    for c in settings.order:
        rows = np.flatnonzero(cluster == c)
        if not len(rows):
            continue
        size, width = sizes[c], (sizes[c] - 1) * settings.delta
        if number:
            bounds = np.sort([low[:number], high[:number]], axis=0) / clusters[:number]
            bounds[1] += width
            lateral = _apart(rests[rows], rest[:number] / peaks[:number])
            cost = _costs(tags[rows], scores[rows], bounds, lateral, settings.tag_threshold)
            person[rows] = match_rows(cost, size)
        free = rows[person[rows] < 0]
        if size == 1:
            person[free] = number + np.arange(len(free))
            number += len(free)
        else:
            founded = _found(tags[free], rests[free], scores[free], size, settings)
            person[free] = number + founded
            number += founded.max(initial=-1) + 1
        owners, which = np.unique(person[rows], return_inverse=True)
        lowest, highest = np.full((2, len(owners)), np.inf)
        np.minimum.at(lowest, which, tags[rows])
        np.minimum.at(highest, which, -tags[rows])
        low[owners] += -highest - width
        high[owners] += lowest
        clusters[owners] += 1
        np.add.at(rest, person[rows], rests[rows])
        np.add.at(peaks, person[rows], 1)
    return person


def _split(tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split tags (P,) or (P, T) into their means (P,), which offsets move, and the rests (P, T).

    A scalar tag is its mean, and its rest has no columns.
    """
    if tags.ndim == 1 or tags.shape[1] == 1:
        return tags.reshape(-1), np.zeros((len(tags), 0))
    level = tags.mean(1)
    return level, tags - level[:, None]


def _apart(rests: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean square (P, N) of the differences of rests (P, T) and (N, T), or 0."""
    if not rests.shape[1]:
        return np.zeros(1)
    return np.square(rests[:, None] - others).mean(-1)


def _costs(
    tags: np.ndarray, scores: np.ndarray, bounds: np.ndarray, lateral: np.ndarray, threshold: float
) -> np.ndarray:
    """Return the costs of a cluster's peaks (P,) for people (N,), inf where they are too far.

    The tags of the people lie in ``bounds`` (2, N). ``lateral`` (P, N) is the squared distance at
    right angles to the direction of the means.
    """
    tags = tags[:, None]
    distance = np.maximum(np.maximum(bounds[0] - tags, tags - bounds[1]), 0)
    if lateral.ndim > 1:
        distance = np.sqrt(np.square(distance) + lateral)
    cost = np.round(distance / threshold) * 100 + distance * 1e-3 - scores[:, None]
    return np.where(distance < threshold, cost, np.inf)


def _found(
    tags: np.ndarray,
    rests: np.ndarray,
    scores: np.ndarray,
    size: int,
    settings: ClusterTagSettings,
) -> np.ndarray:
    """Assign a cluster's peaks (P,) to people, up to ``size`` peaks near each other per person.

    The best free peak starts a person and takes the peaks nearest to it. Among tags that round to
    the same distance, the better peaks come first.
    """
    threshold = settings.tag_threshold
    reach = (size - 1) * settings.delta + threshold
    person = np.full(len(tags), -1)
    number = 0
    for seed in np.argsort(-scores, kind='stable'):
        if person[seed] >= 0:
            continue
        distance = np.abs(tags - tags[seed])
        if rests.shape[1]:
            distance = np.sqrt(np.square(distance) + _apart(rests, rests[seed, None])[:, 0])
        near = np.flatnonzero((person < 0) & (distance < reach))
        cost = np.round(distance[near] / threshold) * 100 - scores[near]
        taken = near[np.argsort(cost, kind='stable')]
        taken = np.r_[seed, taken[taken != seed]][:size]
        person[taken] = number
        number += 1
    return person
