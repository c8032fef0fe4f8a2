# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's affine transforms for images that are decoded late."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from mmpose.datasets.transforms import BottomupRandomAffine, TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_udp_warp_matrix

from .deferred_image import DeferredImage
from .deferred_warp import DeferredWarp
from .draws import truncated_normal

#: Places of x and y of a box's four corners in [x1, y1, x2, y2].
_CORNERS = [0, 1, 0, 3, 2, 1, 2, 3]


@TRANSFORMS.register_module()
class FastBottomupRandomAffine(BottomupRandomAffine):
    """mmpose's ``BottomupRandomAffine``, whose draws take a hundredth of the time.

    It also accepts a :class:`.DeferredImage`, if ``transform_mode`` is not ``'perspective'`` and
    ``pad_val`` is 0. It decodes this image at a reduced size if the image is larger than the input.

    Args:
        **kwargs: See ``BottomupRandomAffine``.

    Attributes:
        warps_late (bool): Whether ``img`` becomes a :class:`.DeferredWarp`. Defaults to False.
    """

    warps_late = False

    @property
    def takes_deferred(self) -> bool:
        """Whether ``img`` may be a :class:`.DeferredImage`."""
        warp = self.__dict__['_transform']
        return warp.func is cv2.warpAffine and not any(warp.keywords['borderValue'])

    def transform(self, results: dict) -> dict | None:
        """Warp the image, the keypoints and the boxes.

        Args:
            results (dict): See ``BottomupRandomAffine``. ``img`` may be a :class:`.DeferredImage`.

        Returns:
            dict: ``results``, changed.
        """
        image = results['img']
        if not isinstance(image, DeferredImage) or self.clip_border or not self.bbox_keep_corner:
            return super().transform(results)
        matrix = self._matrix(np.array(results['img_shape'][1::-1]))
        results['img'] = self._warp(image, matrix, self.input_size)
        if 'keypoints' in results:
            results['keypoints'] = cv2.transform(results['keypoints'], matrix)
        if 'bbox' in results:
            corners = results['bbox'][:, _CORNERS].reshape(-1, 4, 2)
            results['bbox'] = cv2.transform(corners, matrix)
        if 'area' in results:
            (a, b, _), (c, d, _) = matrix.tolist()
            results['area'] *= a * d - b * c
        results.update(input_size=self.input_size, warp_mat=matrix)
        return results

    def _matrix(self, size: np.ndarray) -> np.ndarray:
        """Draw the matrix (2, 3) from pixels of an image with this [w, h] to those of the input."""
        offset, scale, rotation, _ = self._get_transform_params()
        udp, (w, h) = self.transform_mode == 'affine_udp', self.input_size
        center, scale = (size - udp) / 2 + offset * size, scale * size
        scale = self._fix_aspect_ratio(scale, aspect_ratio=w / h)
        if udp:
            return get_udp_warp_matrix(center, scale, rotation, output_size=(w, h))
        return warp_matrix(center.tolist(), float(scale[0]), float(rotation), (w, h))

    @property
    def _transform(self) -> Callable:
        return self._warp

    @_transform.setter
    def _transform(self, warp: Callable) -> None:  # mmpose sets it as an attribute
        self.__dict__['_transform'] = warp

    def _warp(
        self, image: np.ndarray | DeferredImage, matrix: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray | DeferredWarp:
        if not isinstance(image, DeferredImage):
            return self.__dict__['_transform'](image, matrix, size)
        warp = DeferredWarp(image, matrix, (int(size[0]), int(size[1])))
        return warp if self.warps_late else warp.warp()

    def _random(
        self, low: float = -1.0, high: float = 1.0, size: tuple[int, ...] = ()
    ) -> np.ndarray:
        if self.distribution == 'trunc_norm':
            return truncated_normal(low, high, size)
        return super()._random(low, high, size)


@TRANSFORMS.register_module()
class FastTopdownAffine(TopdownAffine):
    """mmpose's ``TopdownAffine``, which also accepts a :class:`.DeferredImage`.

    It decodes such an image, at a reduced size if the person is larger than the input, and flips it
    with the same matrix.

    Args:
        **kwargs: See ``TopdownAffine``.
    """

    def transform(self, results: dict) -> dict | None:
        """Warp the image and the keypoints.

        Args:
            results (dict): See ``TopdownAffine``. ``img`` may be a :class:`.DeferredImage`.

        Returns:
            dict: ``results``, changed, with ``img`` (h, w, 3) uint8.
        """
        image = results['img']
        if not isinstance(image, DeferredImage) or len(results['bbox_center']) != 1:
            return super().transform(results)
        w, h = self.input_size
        center = results['bbox_center'][0]
        rotation = float(results['bbox_rotation'][0]) if 'bbox_rotation' in results else 0.0
        matrix, scale = self.fit(center, results['bbox_scale'][0], rotation)
        results['bbox_scale'] = scale[None]
        results['img'] = image.warp(matrix, (w, h))
        points = results.get('keypoints')
        if points is None:
            results['transformed_keypoints'] = np.zeros([])
            results['keypoints_visible'] = np.ones((1, 1, 1))
        else:
            known = results.get('transformed_keypoints')
            moved = (points if known is None else known).copy()
            moved[..., :2] = points[..., :2] @ matrix[:, :2].T + matrix[:, 2]
            results['transformed_keypoints'] = moved
        results.update(input_size=(w, h), input_center=center, input_scale=scale)
        return results

    def fit(
        self, center: np.ndarray, scale: np.ndarray, rotation: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit the input to a box.

        Args:
            center (np.ndarray): (2,), x and y of the box in image pixels.
            scale (np.ndarray): (2,), width and height of the box.
            rotation (float): Of the box, in degrees.

        Returns:
            tuple[np.ndarray, np.ndarray]: The matrix (2, 3) float64 from image pixels to input
            pixels, and width and height of the box with the input's aspect ratio.
        """
        w, h = self.input_size
        width, height = scale.tolist()
        width, height = max(width, height * w / h), max(height, width * h / w)
        fitted = np.array([width, height], scale.dtype)
        if self.use_udp:
            return get_udp_warp_matrix(center, fitted, rotation, output_size=(w, h)), fitted
        return warp_matrix(center.tolist(), width, rotation, (w, h)), fitted


def warp_matrix(
    center: Sequence[float], width: float, rotation: float, size: tuple[int, int]
) -> np.ndarray:
    """Compute mmpose's ``get_warp_matrix`` in closed form.

    Args:
        center (Sequence[float]): x, y of a box in image pixels.
        width (float): Width of the box, which has the input's aspect ratio.
        rotation (float): Rotation in degrees.
        size (tuple[int, int]): [w, h] of the input.

    Returns:
        np.ndarray: (2, 3) float64, from image pixels to input pixels.
    """
    scale = size[0] / width
    cos, sin = math.cos(math.radians(rotation)) * scale, math.sin(math.radians(rotation)) * scale
    x, y = center
    return np.array(
        [
            [cos, sin, size[0] / 2 - cos * x - sin * y],
            [-sin, cos, size[1] / 2 + sin * x - cos * y],
        ]
    )
