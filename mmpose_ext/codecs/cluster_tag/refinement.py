# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Keypoints between cells, in pure numpy: the top of the Gaussian around a cell."""

from __future__ import annotations

import numpy as np

LEAST_VALUE = np.finfo(np.float32).tiny
#: The least variance of the cells along an axis, in square cells. It is 0 if only one column or row
#: of cells can be used, which says nothing about this axis.
LEAST_VARIANCE = np.float32(1e-5)


class GaussianFit:
    """Fits Gaussians of known sigma to the cells around keypoints.

    In the square around a cell, log(value) + d^2 / (2 sigma^2) is linear in the position, where d
    is the distance from the cell. Its slope is the position of the top divided by sigma^2. The
    least squares are weighted by value^2, because an error of a value changes its logarithm by
    error / value (Guo, "A simple algorithm for fitting a Gaussian function", IEEE Signal Processing
    Magazine 28(5), 2011, with one unknown less). The result is exact for a Gaussian, whichever
    cells are used. Errors of single cells average out, even if they moved the peak.

    Args:
        sigma (float): Standard deviation of the Gaussians in cells.

    Attributes:
        ticks (np.ndarray): (E,) int64, the columns and rows of the square relative to its centre,
            up to 2 sigma.
    """

    def __init__(self, sigma: float) -> None:
        reach = max(1, round(2 * sigma))
        self.sigma = np.float32(sigma)
        self.ticks = np.arange(-reach, reach + 1)
        x, y = np.float32(np.meshgrid(self.ticks, self.ticks)).reshape(2, -1)
        self._fall = (x * x + y * y) / np.float32(2 * sigma**2)
        self._powers = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)

    def __call__(self, values: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return where the tops are.

        Args:
            values (np.ndarray): (P, S) float32, the heatmap in the S = E * E cells around P
                keypoints, row by row.
            usable (np.ndarray): (P, S) bool, which of them belong to the keypoint's Gaussian. Cells
                that are not positive are never used.

        Returns:
            np.ndarray: (P, 2) float32, the top's [x, y] relative to the centre, in cells. It is at
            most sigma along each axis, and 0 along an axis where only one position can be used.
        """
        values = np.where(usable, values, 0).clip(LEAST_VALUE)
        weights = np.square(values)  # 0 where not usable
        levels = np.log(values) + self._fall
        moments = weights @ self._powers
        products = (weights * levels) @ self._powers[:, :3]
        total = moments[:, :1].clip(LEAST_VALUE)
        _, x, y, xx, xy, yy = (moments / total).T
        level, level_x, level_y = (products / total).T
        # the covariances
        xx, xy, yy = xx - x * x + LEAST_VARIANCE, xy - x * y, yy - y * y + LEAST_VARIANCE
        level_x, level_y = level_x - level * x, level_y - level * y
        slopes = np.stack([yy * level_x - xy * level_y, xx * level_y - xy * level_x], -1)
        tops = slopes * (self.sigma**2 / (xx * yy - xy * xy))[:, None]
        return tops.clip(-self.sigma, self.sigma)
