# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network's decoding in pure numpy, for models outside PyTorch.

This module does in numpy what :mod:`.peaks` does in torch. The step from peaks to people is the
codec's own :class:`~.people.PeopleFinder`.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .people import PeopleFinder
from .settings import ClusterTagSettings


def decode_cluster_tag(
    maps: dict[str, np.ndarray], settings: ClusterTagSettings, size: tuple[int, int]
) -> list[tuple]:
    """Decode heatmaps (B, C, h, w) and tags (B, T * C, h, w), float32.

    The tags may be those of T passes of the network, one after another.

    Args:
        maps (dict[str, np.ndarray]): ``heatmaps`` and ``tags``.
        settings (ClusterTagSettings): The codec's settings.
        size (tuple[int, int]): The input's [w, h]. Not used, since the stride is always the same.

    Returns:
        list[tuple]: For each image keypoints (N, K, 2) in input pixels, scores (N, K), 0 where a
        keypoint was not found, and scores of the people (N,), in descending order.
    """
    heatmaps, tags = maps['heatmaps'], maps['tags']
    number = settings.peaks_per_map
    peaks = [top_peaks(*image, number, settings.nms_kernel) for image in zip(heatmaps, tags)]
    return PeopleFinder(settings)(np.stack(peaks), NumpyMaps(heatmaps, tags, settings.sigma))


def top_peaks(heatmaps: np.ndarray, tags: np.ndarray, number: int, kernel: int) -> np.ndarray:
    """Take the highest local maxima of an image's maps, as :class:`~.people.PeopleFinder` does.

    Args:
        heatmaps (np.ndarray): (C, h, w).
        tags (np.ndarray): (T * C, h, w).
        number (int): Number of peaks per map.
        kernel (int): Edge of the window in cells, odd.

    Returns:
        np.ndarray: (C, k, 2 + T), heatmap value, cell and tags.
    """
    reach = kernel // 2
    padded = np.pad(heatmaps, ((0, 0), (reach, reach), (reach, reach)), constant_values=-np.inf)
    highest = sliding_window_view(padded, (kernel, kernel), (1, 2)).max((-2, -1))
    peaks = (heatmaps * (heatmaps == highest)).reshape(len(heatmaps), -1)
    cells = np.argsort(-peaks, axis=1, kind='stable')[:, :number]
    passes = tags.reshape(-1, *peaks.shape)
    read = [np.take_along_axis(one, cells, 1) for one in passes]
    return np.stack([np.take_along_axis(peaks, cells, 1), cells, *read], -1)


class NumpyMaps:
    """Reads a batch's maps; see :func:`decode_cluster_tag` and :class:`~.people.MapReader`."""

    def __init__(self, heatmaps: np.ndarray, tags: np.ndarray, sigma: float) -> None:
        batch, clusters, h, w = heatmaps.shape
        self.size = (w, h)
        self.heatmaps = heatmaps.reshape(-1, h * w)
        passes = tags.reshape(batch, -1, clusters, h * w)
        self.tags = passes.transpose(1, 0, 2, 3).reshape(-1, len(self.heatmaps), h * w)
        self.sigma = sigma

    def _flat_tags(self) -> np.ndarray:
        return self.tags.reshape(len(self.tags), -1)

    def best_cells(
        self, maps: np.ndarray, wanted: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.best_cells`."""
        cells = np.empty(len(maps), np.int64)
        for row, (chosen, tag, one) in enumerate(zip(maps, wanted, unit)):
            difference = _rms((self.tags[:, chosen] - tag[:, None]) / one)
            cost = np.round(difference) * np.float32(100)
            cells[row] = (cost - self.heatmaps[chosen]).argmin()
        return cells, self.heatmaps[maps, cells]

    def refine_cells(
        self, maps: np.ndarray, cells: np.ndarray, tolerance: np.ndarray
    ) -> np.ndarray:
        """See :meth:`~.people.MapReader.refine_cells`."""
        w, h = self.size
        xy = np.stack([cells % w, cells // w], -1)
        steps = np.array([[-1, -w], [0, 0], [1, w]])[:, None]
        inside = np.stack([xy > 0, np.ones_like(xy, bool), xy < [w - 1, h - 1]])
        index = (maps * (h * w) + cells)[:, None] + steps * inside
        values, around = self.heatmaps.reshape(-1)[index], self._flat_tags()[:, index]
        floor = np.finfo(np.float32).tiny
        same = _rms(around - around[:, 1:2]) <= tolerance[:, None]
        own = inside & same & (values > floor)
        before, centre, after = np.log(np.maximum(values, floor))
        fall_before, fall_after = centre - before, centre - after
        bend = fall_before + fall_after
        shift = (fall_before - fall_after) * 0.5 / np.maximum(bend, 1e-6)
        is_top = (fall_before >= 0) & (fall_after >= 0) & (bend > 1e-6)
        shift = np.where(is_top, shift.clip(-0.5, 0.5), 0.0)
        shift = np.where(own[0], shift, 0.5 - self.sigma**2 * fall_after)
        shift = np.where(own[2], shift, self.sigma**2 * fall_before - 0.5)
        helps = own[1] & (own[0] | own[2])
        return xy + np.where(helps, shift.clip(-1, 1), 0.0)


def _rms(differences: np.ndarray) -> np.ndarray:
    """Root mean square over the first axis, the passes."""
    if len(differences) == 1:
        return np.abs(differences[0])
    return np.sqrt(np.square(differences).mean(0))
