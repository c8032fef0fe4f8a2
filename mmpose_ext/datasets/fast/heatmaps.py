# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's Gaussian heatmaps of one person, drawn for all keypoints at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

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
        if len(keypoints) != 1 or not is_separable(self):
            return super().encode(keypoints, keypoints_visible)
        return _draw(self, keypoints, keypoints_visible)


@KEYPOINT_CODECS.register_module()
class FastUDPHeatmap(UDPHeatmap):
    """mmpose's ``UDPHeatmap``, which encodes Gaussian heatmaps in a fraction of the time.

    They differ from mmpose's by the rounding of float32, up to 1e-6.

    Args:
        **kwargs: See ``UDPHeatmap``.
    """

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict:
        """Draw heatmaps (K, h, w) float32 and keypoint_weights (1, K); see ``UDPHeatmap``."""
        if len(keypoints) != 1 or not is_separable(self):
            return super().encode(keypoints, keypoints_visible)
        return _draw(self, keypoints, keypoints_visible)


#: mmpose's codecs and their replacements, which have no settings of their own.
FASTER_CODECS = {MSRAHeatmap: FastMSRAHeatmap, UDPHeatmap: FastUDPHeatmap}


def gaussians(
    codec: MSRAHeatmap | UDPHeatmap, keypoints: np.ndarray, visible: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Gaussians along x and along y, whose products are the heatmaps.

    Args:
        codec (MSRAHeatmap | UDPHeatmap): A codec that :func:`is_separable`.
        keypoints (np.ndarray): (B, K, 2) in input pixels, of B people.
        visible (np.ndarray, optional): (B, K). Defaults to all ones.

    Returns:
        tuple[np.ndarray, np.ndarray]: (B, K, w + h) float32, along x and then along y, and
        keypoint_weights (B, K).
    """
    rounded = isinstance(codec, MSRAHeatmap) and not codec.unbiased  # centers at whole cells
    whole = isinstance(codec, MSRAHeatmap) and codec.unbiased  # not cut off at 3 sigma
    w, h = codec.heatmap_size
    grid, axis = _cells(w, h)
    points = (keypoints / codec.scale_factor).astype(np.float32)
    weights = np.ones(points.shape[:2], np.float32) if visible is None else visible.copy()
    radius = codec.sigma * 3
    cells = points if whole else np.trunc(points + np.float32(0.5))
    inside = ((cells < (w + radius, h + radius)) & (cells >= -radius - 1)).all(-1)
    labeled = weights >= 0.5
    weights[labeled & ~inside] = 0
    distance = (cells if rounded else points)[..., axis] - grid
    rows = np.exp(np.square(distance) * np.float32(-0.5 / codec.sigma**2))
    if whole:
        rows[rows < SMALLEST] = 0
    else:
        rows *= np.abs(distance if rounded else cells[..., axis] - grid) <= radius
    rows *= (labeled & inside)[..., None]
    return rows, weights


def is_separable(codec: Any) -> bool:
    """Return whether :func:`gaussians` can draw a codec's heatmaps."""
    plain = isinstance(codec, FastMSRAHeatmap) or (
        isinstance(codec, FastUDPHeatmap) and codec.heatmap_type == 'gaussian'
    )
    sigma = codec.sigma if plain else None
    return isinstance(sigma, (int, float)) and sigma > 0 and float(3 * sigma).is_integer()


def _draw(codec: MSRAHeatmap | UDPHeatmap, points: np.ndarray, visible: np.ndarray | None) -> dict:
    """Draw heatmaps (K, h, w) float32 and keypoint_weights (1, K) of one person."""
    rows, weights = gaussians(codec, points, visible)
    w = codec.heatmap_size[0]
    return dict(heatmaps=rows[0, :, w:, None] * rows[0, :, None, :w], keypoint_weights=weights)


@lru_cache(maxsize=None)
def _cells(w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of the cells along x and along y (w + h,), and their axes."""
    grid = np.concatenate([np.arange(w), np.arange(h)]).astype(np.float32)
    return grid, np.repeat([0, 1], [w, h])
