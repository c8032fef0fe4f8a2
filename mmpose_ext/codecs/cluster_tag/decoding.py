# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From multi-peak heatmaps and tags to people (Cluster-wise Learning Network, Section 3.3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .peaks import best_cells, refine_cells, top_peaks
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
        # as float32, in which the index of a cell is exact up to 2^24 cells
        peaks = top_peaks(heatmaps, tags, s.peaks_per_map, s.nms_kernel).cpu().numpy()
        return self.people(peaks, DeviceMaps(heatmaps, tags, s.sigma))


class DeviceMaps:
    """Reads a batch's maps on their device; see :class:`~.people.MapReader`.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        tags (Tensor): (B, T * C, h, w).
        sigma (float): Standard deviation of the Gaussians in cells.
    """

    def __init__(self, heatmaps: Tensor, tags: Tensor, sigma: float) -> None:
        batch, clusters, h, w = heatmaps.shape
        self.size = (w, h)
        self.heatmaps = heatmaps.reshape(-1, h, w)
        passes = tags.reshape(batch, -1, clusters, h, w).transpose(0, 1)
        self.tags = passes.reshape(-1, len(self.heatmaps), h, w)
        self.sigma = sigma

    def best_cells(
        self, maps: np.ndarray, wanted: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.best_cells`."""
        maps = torch.from_numpy(maps).to(self.heatmaps.device)
        asked = np.concatenate([wanted, unit[:, None]], 1)
        asked = torch.from_numpy(asked).to(self.heatmaps.device)
        found = best_cells(self.heatmaps, self.tags, maps, asked[:, :-1], asked[:, -1])
        return torch.stack(found).cpu().numpy()

    def refine_cells(
        self, maps: np.ndarray, cells: np.ndarray, tolerance: np.ndarray
    ) -> np.ndarray:
        """See :meth:`~.people.MapReader.refine_cells`."""
        chosen = torch.from_numpy(np.stack([maps, cells])).to(self.heatmaps.device)
        tolerance = torch.from_numpy(tolerance).to(self.heatmaps.device)
        points = refine_cells(self.heatmaps, self.tags, chosen[0], chosen[1], tolerance, self.sigma)
        return points.cpu().numpy()
