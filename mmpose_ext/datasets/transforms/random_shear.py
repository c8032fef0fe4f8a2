# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Shearing of a person's crop (composite-localization paper, Section 4.1)."""

from __future__ import annotations

import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomShear(BaseTransform):
    """Shear a crop along x by a random angle. Place it after ``TopdownAffine``.

    A point (x, y) moves to (x + tan(angle) * (y - c), y), where c is the y of the crop's center.
    The paper mentions shearing but no amount; the default is ours.

    Required keys: ``img`` (H, W, 3), ``transformed_keypoints`` (N, K, 2) in crop pixels (optional).
    Modified keys: both.

    Args:
        max_angle (float): The angle is uniform in [-max_angle, max_angle], in degrees. Defaults
            to 10.
        prob (float): Probability of shearing. Defaults to 0.5.

    Raises:
        ValueError: If ``max_angle`` is not in [0, 45] or ``prob`` is not in [0, 1].
    """

    def __init__(self, max_angle: float = 10.0, prob: float = 0.5) -> None:
        if not 0 <= max_angle <= 45 or not 0 <= prob <= 1:
            raise ValueError(
                'RandomShear: max_angle must be in [0, 45] degrees and prob in [0, 1], got '
                f'{max_angle} and {prob}.'
            )
        self.max_angle = max_angle
        self.prob = prob

    @cache_randomness
    def _tangent(self) -> float:
        """Draw the tangent of the angle, 0 for no shearing."""
        if np.random.rand() >= self.prob:
            return 0.0
        return math.tan(math.radians(np.random.uniform(-self.max_angle, self.max_angle)))

    def transform(self, results: dict) -> dict:
        """Shear the crop and its keypoints."""
        tangent = self._tangent()
        if tangent:
            points = results.get('transformed_keypoints')
            results['img'], moved = shear(results['img'], points, tangent)
            if moved is not None:
                results['transformed_keypoints'] = moved
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_angle={self.max_angle}, prob={self.prob})'


def shear(
    image: np.ndarray, points: np.ndarray | None, tangent: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Shear a crop (H, W, 3) and its points (..., 2), if any, by an angle with this tangent."""
    height, width = image.shape[:2]
    matrix = np.array([[1, tangent, -tangent * (height - 1) / 2], [0, 1, 0]], np.float64)
    sheared = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    if points is None:
        return sheared, None
    return sheared, (points @ matrix[:, :2].T + matrix[:, 2]).astype(points.dtype)
