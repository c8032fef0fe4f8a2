# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The cluster-wise network's decoding in pure numpy, for models outside PyTorch.

This module does in numpy what :mod:`.peaks` does in torch. The step from peaks to people is the
codec's own :class:`~.people.PeopleFinder`.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..map_checks import check_whole_maps
from .people import PeopleFinder, rms
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

    Raises:
        ValueError: If a map holds NaN or infinite values.
    """
    check_whole_maps(settings.codec, maps)
    heatmaps, tags = maps['heatmaps'], maps['tags']
    number, kernel = settings.peaks_per_map, settings.nms_kernel
    assert kernel is not None
    peaks = [top_peaks(*image, number, kernel) for image in zip(heatmaps, tags)]
    return PeopleFinder(settings)(np.stack(peaks), NumpyMaps(heatmaps, tags))


def top_peaks(heatmaps: np.ndarray, tags: np.ndarray, number: int, kernel: int) -> np.ndarray:
    """Take the highest local maxima of an image's maps, as :class:`~.people.PeopleFinder` does.

    Args:
        heatmaps (np.ndarray): (C, h, w).
        tags (np.ndarray): (T * C, h, w).
        number (int): Number of peaks per map.
        kernel (int): Edge of the window in cells, odd. Of equal cells in a window, only the first
            counts.

    Returns:
        np.ndarray: (C, k, 2 + T), heatmap value, cell and tags.
    """
    reach = kernel // 2
    padded = np.pad(heatmaps, ((0, 0), (reach, reach), (reach, reach)), constant_values=-np.inf)
    highest = sliding_window_view(padded, (kernel, kernel), (1, 2)).max((-2, -1))
    peaks = (heatmaps * (heatmaps == highest)).reshape(len(heatmaps), -1)
    cells = np.argsort(-peaks, axis=1, kind='stable')[:, :number]
    scores = np.take_along_axis(peaks, cells, 1)
    x, y = cells % heatmaps.shape[2], cells // heatmaps.shape[2]
    near = [np.abs(one[:, :, None] - one[:, None]) <= reach for one in (x, y)]
    later = cells[:, :, None] > cells[:, None]
    equal = scores[:, :, None] == scores[:, None]
    scores = np.where((equal & near[0] & near[1] & later).any(2), 0, scores)
    order = np.argsort(-scores, axis=1, kind='stable')
    scores, cells = (np.take_along_axis(one, order, 1) for one in (scores, cells))
    passes = tags.reshape(-1, *peaks.shape)
    read = [np.take_along_axis(one, cells, 1) for one in passes]
    return np.stack([scores, cells, *read], -1)


class NumpyMaps:
    """Reads a batch's maps; see :func:`decode_cluster_tag` and :class:`~.people.MapReader`."""

    def __init__(self, heatmaps: np.ndarray, tags: np.ndarray) -> None:
        batch, clusters, h, w = heatmaps.shape
        self.size = (w, h)
        self.heatmaps = heatmaps.reshape(-1, h * w)
        passes = tags.reshape(batch, -1, clusters, h * w)
        self.tags = passes.transpose(1, 0, 2, 3).reshape(-1, len(self.heatmaps), h * w)

    def best_cells(
        self, maps: np.ndarray, wanted: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.best_cells`."""
        cells, apart = np.empty(len(maps), np.int64), np.empty(len(maps), np.float32)
        for row, (chosen, tag, one) in enumerate(zip(maps, wanted, unit)):
            difference = np.round(rms((self.tags[:, chosen] - tag[:, None]) / one))
            cells[row] = (difference * np.float32(100) - self.heatmaps[chosen]).argmin()
            apart[row] = difference[cells[row]]
        return cells, self.heatmaps[maps, cells], apart

    def read_cells(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.read_cells`."""
        return self.heatmaps.reshape(-1)[cells], self.tags.reshape(len(self.tags), -1)[:, cells]
