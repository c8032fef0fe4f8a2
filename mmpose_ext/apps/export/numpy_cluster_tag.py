# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network's decoding with numpy only; see mmpose_ext.codecs.ClusterTag."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mmpose_ext.codecs.cluster_tag.decoding import ClusterTagDecoder
from mmpose_ext.utils.sequences import zip_equal


def decode_cluster_tag(maps: dict[str, np.ndarray], settings: dict) -> list[tuple]:
    """Decode heatmaps and tags, (B, C, h, w) float32 each.

    Args:
        maps (dict[str, np.ndarray]): ``heatmaps`` and ``tags``.
        settings (dict): ``metadata['decoding']``.

    Returns:
        list[tuple]: For each image keypoints (N, K, 2) in input pixels, scores (N, K), 0 where a
        keypoint was not found, and people's scores (N,), from the highest down.
    """
    decoder = ClusterTagDecoder(**settings['arguments'])
    stride = np.array(settings['stride'], np.float32)
    results = []
    for heatmaps, tags in zip_equal(maps['heatmaps'], maps['tags']):
        number = int(decoder.max_people * decoder.sizes.max())
        cells, scores, references = decoder.find_people(
            *_top_peaks(heatmaps, tags, number, decoder.nms_kernel)
        )
        person_scores = scores.mean(1)
        if decoder.fill_missing:
            _fill_missing(decoder, heatmaps, tags, cells, scores, references)
        points = _points(decoder, heatmaps, tags, cells)
        points, scores = points[:, decoder.slot_of], scores[:, decoder.slot_of]
        results.append(((points + 0.5) * stride - 0.5, scores, person_scores))
    return results


def _top_peaks(heatmaps: np.ndarray, tags: np.ndarray, number: int, kernel: int) -> tuple:
    """The highest local maxima: scores, tags and cells, (C, k) each."""
    reach = kernel // 2
    padded = np.pad(heatmaps, ((0, 0), (reach, reach), (reach, reach)), constant_values=-np.inf)
    highest = sliding_window_view(padded, (kernel, kernel), (1, 2)).max((-2, -1))
    peaks = (heatmaps * (heatmaps == highest)).reshape(len(heatmaps), -1)
    cells = np.argsort(-peaks, axis=1, kind='stable')[:, :number]
    flat_tags = tags.reshape(len(tags), -1)
    return np.take_along_axis(peaks, cells, 1), np.take_along_axis(flat_tags, cells, 1), cells


def _fill_missing(decoder, heatmaps, tags, cells, scores, references) -> None:
    """Look for the keypoints without a peak, in place."""
    heatmaps, tags = heatmaps.reshape(len(heatmaps), -1), tags.reshape(len(tags), -1)
    for person, slot in np.argwhere(cells < 0):
        channel, unit = decoder.slot_cluster[slot], decoder.unit[slot]
        wanted = np.float32(references[person] + decoder.slot_place[slot] * decoder.delta)
        cost = np.round(np.abs((tags[channel] - wanted) / unit)) * np.float32(100)
        best = int((cost - heatmaps[channel]).argmin())
        cells[person, slot], scores[person, slot] = best, heatmaps[channel, best]


def _points(decoder, heatmaps, tags, cells) -> np.ndarray:
    """Keypoints (N, K, 2) in cells, refined between them; 0 where missing."""
    h, w = heatmaps.shape[-2:]
    found = cells >= 0
    points = np.zeros((*cells.shape, 2), np.float32)
    xy = np.stack([cells[found] % w, cells[found] // w], -1)
    if not decoder.refine or not len(xy):
        points[found] = xy
        return points
    slot = np.nonzero(found)[1]
    steps = np.array([[-1, -w], [0, 0], [1, w]])[:, None]
    inside = np.stack([xy > 0, np.ones_like(xy, bool), xy < [w - 1, h - 1]])
    first = decoder.slot_cluster[slot] * (h * w) + cells[found]
    index = first[:, None] + steps * inside
    values, around = heatmaps.reshape(-1)[index], tags.reshape(-1)[index]
    floor = np.finfo(np.float32).tiny
    same = np.abs(around - around[1]) <= (decoder.unit[slot] * np.float32(0.5))[:, None]
    own = inside & same & (values > floor)
    before, centre, after = np.log(np.maximum(values, floor))
    fall_before, fall_after = centre - before, centre - after
    bend = fall_before + fall_after
    shift = (fall_before - fall_after) * 0.5 / np.maximum(bend, 1e-6)
    is_top = (fall_before >= 0) & (fall_after >= 0) & (bend > 1e-6)
    shift = np.where(is_top, shift.clip(-0.5, 0.5), 0.0)
    shift = np.where(own[0], shift, 0.5 - decoder.sigma**2 * fall_after)
    shift = np.where(own[2], shift, decoder.sigma**2 * fall_before - 0.5)
    helps = own[1] & (own[0] | own[2])
    points[found] = xy + np.where(helps, shift.clip(-1, 1), 0.0)
    return points
