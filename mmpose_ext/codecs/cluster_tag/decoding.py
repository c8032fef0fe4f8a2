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

    Peaks are found on the maps' device and maps are read there. What is between
    (:class:`PeopleFinder`) needs numpy only and is shipped with exported models.

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
            tags (Tensor): (B, C, h, w).

        Returns:
            list[tuple]: For each image keypoints (N, K, 2) float32 in input pixels, scores (N, K),
            0 where a keypoint was not found, and people's scores (N,), from the highest down.
        """
        s = self.settings
        cells, values = top_peaks(heatmaps, tags, s.peaks_per_map, s.nms_kernel)
        peaks = torch.cat([values, cells[..., None]], -1).cpu().numpy()  # exact up to 2^24 cells
        return self.people(peaks, DeviceMaps(heatmaps, tags, s.sigma))


class DeviceMaps:
    """Reads a batch's maps on their device; see :class:`~.people.MapReader`.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        tags (Tensor): (B, C, h, w).
        sigma (float): Standard deviation of the Gaussians in cells.
    """

    def __init__(self, heatmaps: Tensor, tags: Tensor, sigma: float) -> None:
        h, w = heatmaps.shape[-2:]
        self.size = (w, h)
        self.heatmaps, self.tags = heatmaps.reshape(-1, h, w), tags.reshape(-1, h, w)
        self.sigma = sigma

    def best_cells(
        self, maps: np.ndarray, wanted: np.ndarray, unit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`~.people.MapReader.best_cells`."""
        maps = torch.from_numpy(maps).to(self.heatmaps.device)
        wanted, unit = torch.from_numpy(np.stack([wanted, unit])).to(self.heatmaps.device)
        found = best_cells(self.heatmaps, self.tags, maps, wanted, unit)
        return torch.stack(found).cpu().numpy()

    def refine_cells(
        self, maps: np.ndarray, cells: np.ndarray, tolerance: np.ndarray
    ) -> np.ndarray:
        """See :meth:`~.people.MapReader.refine_cells`."""
        chosen = torch.from_numpy(np.stack([maps, cells])).to(self.heatmaps.device)
        tolerance = torch.from_numpy(tolerance).to(self.heatmaps.device)
        points = refine_cells(self.heatmaps, self.tags, *chosen, tolerance, self.sigma)
        return points.cpu().numpy()
