# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's Gaussian heatmaps of one person, drawn for all keypoints at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS

#: Factors below this become 0, because their products would be slow subnormal numbers.
SMALLEST = 1.1e-19


@KEYPOINT_CODECS.register_module()
class FastMSRAHeatmap(MSRAHeatmap):
    """mmpose's ``MSRAHeatmap``, which encodes in a fraction of the time.

    Args:
        **kwargs: See ``MSRAHeatmap``.
    """

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict:
        """Draw heatmaps (K, h, w) float32 and keypoint_weights (1, K); see ``MSRAHeatmap``."""
        if len(keypoints) != 1 or not _is_plain(self.sigma):
            return super().encode(keypoints, keypoints_visible)
        if self.unbiased:
            return draw(self, keypoints, keypoints_visible, whole=True)
        return draw(self, keypoints, keypoints_visible, rounded=True)


@KEYPOINT_CODECS.register_module()
class FastUDPHeatmap(UDPHeatmap):
    """mmpose's ``UDPHeatmap``, which encodes Gaussian heatmaps in a fraction of the time.

    Args:
        **kwargs: See ``UDPHeatmap``.
    """

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict:
        """Draw heatmaps (K, h, w) float32 and keypoint_weights (1, K); see ``UDPHeatmap``."""
        plain = self.heatmap_type == 'gaussian' and _is_plain(self.sigma)
        if len(keypoints) != 1 or not plain:
            return super().encode(keypoints, keypoints_visible)
        return draw(self, keypoints, keypoints_visible)


#: mmpose's codecs and their replacements, which have no settings of their own.
FASTER_CODECS = {MSRAHeatmap: FastMSRAHeatmap, UDPHeatmap: FastUDPHeatmap}


def draw(
    codec: MSRAHeatmap | UDPHeatmap,
    keypoints: np.ndarray,
    visible: np.ndarray | None,
    rounded: bool = False,
    whole: bool = False,
) -> dict:
    """Draw each Gaussian as the product of one along x and one along y.

    Args:
        codec: Codec with ``scale_factor``, ``heatmap_size`` and ``sigma``.
        keypoints (np.ndarray): (1, K, 2) in input pixels.
        visible (np.ndarray, optional): (1, K). Defaults to all ones.
        rounded (bool): Whether to move the Gaussians' centres to whole cells. Defaults to False.
        whole (bool): Whether to draw the whole Gaussians instead of 3 sigma around the nearest
            cell. Defaults to False.

    Returns:
        dict: heatmaps (K, h, w) float32 and keypoint_weights (1, K).
    """
    w, h = codec.heatmap_size
    grid, axis = _cells(w, h)
    points = (keypoints[0] / codec.scale_factor).astype(np.float32)
    weights = np.ones((1, len(points)), np.float32) if visible is None else visible.copy()
    radius = codec.sigma * 3
    cells = points if whole else np.trunc(points + np.float32(0.5))
    inside = ((cells < (w + radius, h + radius)) & (cells >= -radius - 1)).all(1)
    labelled = weights[0] >= 0.5
    weights[0, labelled & ~inside] = 0
    distance = (cells if rounded else points)[:, axis] - grid
    rows = np.exp(np.square(distance) * np.float32(-0.5 / codec.sigma**2))
    if whole:
        rows[rows < SMALLEST] = 0
    else:
        rows *= np.abs(distance if rounded else cells[:, axis] - grid) <= radius
    rows *= (labelled & inside)[:, None]
    return dict(heatmaps=rows[:, w:, None] * rows[:, None, :w], keypoint_weights=weights)


@lru_cache(maxsize=None)
def _cells(w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of the cells along x and along y (w + h,), and their axes."""
    grid = np.concatenate([np.arange(w), np.arange(h)]).astype(np.float32)
    return grid, np.repeat([0, 1], [w, h])


def _is_plain(sigma: object) -> bool:
    """Return whether three times sigma is a whole number of cells."""
    return isinstance(sigma, (int, float)) and sigma > 0 and float(3 * sigma).is_integer()
