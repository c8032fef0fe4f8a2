# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From multi-peak heatmaps and tags to people (Cluster-wise Learning Network, Section 3.3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .peaks import best_cells, top_peaks
from .people import PeopleFinder
from .settings import ClusterTagSettings


class ClusterTagDecoder:
    """Decodes a batch of maps; see :class:`ClusterTag` for the steps.

    The peaks are found, and the maps are read, on the maps' device. The steps in between
    (:class:`PeopleFinder`) need only numpy and are shipped with exported models.

    Args:
        settings (ClusterTagSettings): The settings.
    """

    def __init__(self, settings: ClusterTagSettings) -> None:
        self.settings = settings
        self.people = PeopleFinder(settings)

    def __call__(self, heatmaps: Tensor, tags: Tensor) -> list[tuple[np.ndarray, ...]]:
        """Find the people in a batch of maps.

        Args:
            heatmaps (Tensor): (B, C, h, w).
            tags (Tensor): (B, T * C, h, w), the tags of T passes of the network one after another.

        Returns:
            list[tuple]: For each image keypoints (N, K, 2) float32 in input pixels, scores (N, K),
            0 where a keypoint was not found, and scores of the people (N,), in descending order.
        """
        s = self.settings
        assert s.nms_kernel is not None
        # as float32, in which the index of a cell is exact up to 2^24 cells
        peaks = top_peaks(heatmaps, tags, s.peaks_per_map, s.nms_kernel).cpu().numpy()
        return self.people(peaks, DeviceMaps(heatmaps, tags))


class DeviceMaps:
    """Reads a batch's maps on their device; see :class:`~.people.MapReader`.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        tags (Tensor): (B, T * C, h, w).
    """

    def __init__(self, heatmaps: Tensor, tags: Tensor) -> None:
        batch, clusters, h, w = heatmaps.shape
        self.size = (w, h)
        self.heatmaps = heatmaps.reshape(-1, h, w)
        passes = tags.reshape(batch, -1, clusters, h, w).transpose(0, 1)
        self.tags = passes.reshape(-1, len(self.heatmaps), h, w)

    def best_cells(
        self, maps: np.ndarray, wanted: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.best_cells`."""
        maps = torch.from_numpy(maps).to(self.heatmaps.device)
        asked = np.concatenate([wanted, unit[:, None]], 1)
        asked = torch.from_numpy(asked).to(self.heatmaps.device)
        found = best_cells(self.heatmaps, self.tags, maps, asked[:, :-1], asked[:, -1])
        return tuple(torch.stack(found).cpu().numpy())

    def read_cells(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.read_cells`."""
        index = torch.from_numpy(cells).to(self.heatmaps.device).flatten()
        maps = (self.heatmaps.flatten(), *self.tags.flatten(1))
        read = torch.stack([one.index_select(0, index) for one in maps])
        found = read.cpu().numpy().reshape(-1, *cells.shape)
        return found[0], found[1:]
