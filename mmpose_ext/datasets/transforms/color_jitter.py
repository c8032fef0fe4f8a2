# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Random brightness, contrast and saturation."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.registry import TRANSFORMS

#: Weights of blue, green and red in a gray value.
GRAY = np.array([0.114, 0.587, 0.299])


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """Scale an image's brightness, contrast and saturation by random factors.

    This is the augmentation of the cluster-wise network (Section 4.2); mmpose's
    ``PhotometricDistortion`` also changes the hue and swaps channels. Each factor is uniform in [1
    - s, 1 + s]. Brightness scales the pixels, contrast their distance from the image's mean gray,
    and saturation their distance from their own gray, in this order, as in torchvision.

    Required and modified key: ``img`` (h, w, 3) uint8, BGR.

    Args:
        brightness (float): s for the brightness. Defaults to 0.4.
        contrast (float): s for the contrast. Defaults to 0.4.
        saturation (float): s for the saturation. Defaults to 0.4.

    Raises:
        ValueError: If one of them is not between 0 and 1.
    """

    def __init__(
        self, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4
    ) -> None:
        self.strengths = (brightness, contrast, saturation)
        if not all(0 <= strength <= 1 for strength in self.strengths):
            raise ValueError(
                'ColorJitter: brightness, contrast and saturation must be between 0 and 1, got '
                f'{self.strengths}.'
            )

    @cache_randomness
    def _factors(self) -> np.ndarray:
        strengths = np.array(self.strengths)
        return np.random.uniform(1 - strengths, 1 + strengths).astype(np.float32)

    def transform(self, results: dict) -> dict:
        """Change ``img``, or let a :class:`.DeferredImage` change it when it is decoded."""
        image, factors = results['img'], self._factors()
        if hasattr(image, 'recolor'):
            image.recolor(factors)
        else:
            results['img'] = jitter(image, factors)
        return results


def jitter(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Change brightness, contrast and saturation by one affine function of the colors.

    Args:
        image (np.ndarray): (h, w, 3) uint8, BGR.
        factors (np.ndarray): (3,), of brightness, contrast and saturation.

    Returns:
        np.ndarray: (h, w, 3) uint8, rounded and clipped. OpenCV rounds the factors of the colors
        to 1/1024, so the channels of a gray pixel may differ by one level.
    """
    brightness, contrast, saturation = factors
    shift = brightness * (1 - contrast) * np.dot(GRAY, cv2.mean(image)[:3])
    matrix = np.full((3, 4), shift)
    matrix[:, :3] = brightness * contrast * ((1 - saturation) * GRAY + saturation * np.eye(3))
    return cv2.transform(image, matrix)
