# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Keypoints between cells, in pure numpy: the top of the Gaussian around a cell."""

from __future__ import annotations

import numpy as np

LEAST_VALUE = np.finfo(np.float32).tiny
#: Added to the normal equations of a mean of the level, its slopes along x and y (in cells) and its
#: bend. What the cells do not determine stays 0: the slope along an axis where only one column or
#: row can be used, and the bend where only two can.
RIDGE = np.diag([0, 1e-5, 1e-5, 1e-2])
#: The narrowest and widest Gaussian that is fitted, in sigmas.
WIDTHS = (0.5, 2.0)


class GaussianFit:
    """Fits Gaussians to the cells around keypoints.

    In the square around a cell, log(value) + d^2 / (2 sigma^2) is linear in the position for a
    Gaussian of the given sigma, where d is the distance from the cell. Its slope is the position of
    the top divided by sigma^2. A Gaussian of another width also bends it. The least squares are
    weighted by value^2, because an error of a value changes its logarithm by error / value (Guo, "A
    simple algorithm for fitting a Gaussian function", IEEE Signal Processing Magazine 28(5), 2011).
    The result is exact for a Gaussian, whichever cells are used. Errors of single cells average
    out, even if they moved the peak.

    Args:
        sigma (float): Standard deviation of the Gaussians in cells.
        reach (float): Half the edge of the square in sigmas. Defaults to 2.

    Attributes:
        ticks (np.ndarray): (E,) int64, the columns and rows of the square relative to its center.
    """

    def __init__(self, sigma: float, reach: float = 2.0) -> None:
        reach = max(1, round(reach * sigma))
        self.sigma = sigma
        self.ticks = np.arange(-reach, reach + 1)
        x, y = np.float32(np.meshgrid(self.ticks, self.ticks)).reshape(2, -1)
        fall = (x * x + y * y) / np.float32(2 * sigma**2)
        self._terms = np.stack([np.ones_like(x), x, y, fall], -1)  # (S, 4)
        self._products = (self._terms[:, :, None] * self._terms[:, None]).reshape(-1, 16)

    def __call__(self, values: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return where the tops are.

        Args:
            values (np.ndarray): (P, S) float32, the heatmap in the S = E * E cells around P
                keypoints, row by row.
            usable (np.ndarray): (P, S) bool, which of them belong to the keypoint's Gaussian. Cells
                that are not positive are never used.

        Returns:
            np.ndarray: (P, 2), the top's [x, y] relative to the center, in cells. It is at most
            sigma along each axis, and 0 along an axis where only one position can be used.
        """
        values = np.maximum(np.where(usable, values, 0), LEAST_VALUE)
        weights = np.square(values)  # 0 where not usable
        levels = np.log(values) + self._terms[:, 3]
        equations, results = weights @ self._products, (weights * levels) @ self._terms
        total = np.maximum(equations[:, :1], LEAST_VALUE)
        equations = (equations / total).reshape(-1, 4, 4) + RIDGE
        equations[:, 0, 0] = 1  # also without any cell
        results = (results / total)[..., None]
        _, slope_x, slope_y, bend = np.linalg.solve(equations, results)[..., 0].T
        narrowest, widest = WIDTHS
        curvature = (1 - bend).clip(1 / widest**2, 1 / narrowest**2)
        tops = np.stack([slope_x, slope_y], -1) * (self.sigma**2 / curvature)[:, None]
        return tops.clip(-self.sigma, self.sigma)
