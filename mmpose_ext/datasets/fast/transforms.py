# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster versions of mmpose's transforms, with the same draws from the same distributions."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmengine import fileio
from mmpose.datasets.transforms import (
    BottomupRandomAffine,
    LoadImage,
    RandomBBoxTransform,
    RandomFlip,
    RandomHalfBody,
    TopdownAffine,
)
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_udp_warp_matrix

from .deferred_image import DeferredImage, EncodedImage
from .draws import truncated_normal

_FLIP_CODES = dict(horizontal=1, vertical=0, diagonal=-1)


@TRANSFORMS.register_module()
class FastLoadImage(LoadImage):
    """mmpose's ``LoadImage`` that reads the file and leaves decoding to the affine transform.

    The affine transform is :class:`FastTopdownAffine` or :class:`FastBottomupRandomAffine`. Until
    then, ``img`` is a :class:`.DeferredImage`, which the transforms in between must not touch;
    ``FastRandomFlip`` only records its flip. :func:`.speed_up_dataset` uses this class only in
    pipelines that meet this condition.

    Args:
        **kwargs: See ``LoadImage``. Images are read as uint8 BGR.

    Raises:
        ValueError: When a sample is loaded, if its file is not an image.
    """

    def transform(self, results: dict) -> dict | None:
        """Read ``results['img_path']``, unless ``img`` exists.

        Args:
            results (dict): A sample with ``img_path``, or with ``img`` as an array or a
                :class:`.DeferredImage`.

        Returns:
            dict: The sample with ``img``, ``img_shape`` and ``ori_shape``; None if the file cannot
            be read and ``ignore_empty`` is set.
        """
        image = results.get('img')
        if image is not None and not isinstance(image, DeferredImage):
            return super().transform(results)
        if image is None:
            name = results['img_path']
            try:
                image = EncodedImage(fileio.get(name, backend_args=self.backend_args), name)
            except (OSError, ValueError):
                if self.ignore_empty:
                    return None
                raise
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.size[::-1]
        return results


@TRANSFORMS.register_module()
class FastRandomFlip(RandomFlip):
    """mmpose's ``RandomFlip``, which records the flip in a deferred image and copies an array.

    mmpose's own transform leaves a view with negative strides, which OpenCV copies slowly.

    Args:
        **kwargs: See ``RandomFlip``.
    """

    @cache_randomness
    def _choose_direction(self) -> str | None:
        """Draw as ``numpy.random.choice`` does, from the same random number."""
        several = isinstance(self.prob, list)
        shares = self.prob if several else [self.prob / self._count()] * self._count()
        drawn = bisect_right(list(accumulate(shares)), np.random.random_sample())
        directions = [self.direction] if isinstance(self.direction, str) else self.direction
        return directions[drawn] if drawn < len(directions) else None

    def _count(self) -> int:
        return 1 if isinstance(self.direction, str) else len(self.direction)

    def transform(self, results: dict) -> dict:
        """Flip the image and the annotations, or neither.

        Args:
            results (dict): See ``RandomFlip``. ``img`` may be a :class:`.DeferredImage`.

        Returns:
            dict: ``results``, changed.
        """
        image, results['img'] = results['img'], []  # an empty list, so that mmpose flips no image
        results = super().transform(results)
        direction = results['flip_direction']
        if direction is None:
            results['img'] = image
        elif isinstance(image, list):
            results['img'] = [_flip(one, direction) for one in image]
        else:
            results['img'] = _flip(image, direction)
        return results


@TRANSFORMS.register_module()
class FastRandomHalfBody(RandomHalfBody):
    """mmpose's ``RandomHalfBody``, which leaves the boxes of whole people alone.

    Args:
        **kwargs: See ``RandomHalfBody``.
    """

    def transform(self, results: dict) -> dict:
        """Replace some people's boxes by boxes of half their body.

        Args:
            results (dict): See ``RandomHalfBody``.

        Returns:
            dict: ``results``, changed.
        """
        chosen = self._random_select_half_body(
            keypoints_visible=results['keypoints_visible'],
            upper_body_ids=results['upper_body_ids'],
            lower_body_ids=results['lower_body_ids'],
        )
        centres, scales = results['bbox_center'], results['bbox_scale']
        for number, ids in enumerate(chosen):
            if ids is not None:
                centre, scale = self._get_half_body_bbox(results['keypoints'][number], ids)
                if centres is results['bbox_center']:
                    centres, scales = centres.copy(), scales.copy()
                centres[number], scales[number] = centre, scale
        results.update(bbox_center=centres, bbox_scale=scales)
        return results


@TRANSFORMS.register_module()
class FastRandomBBoxTransform(RandomBBoxTransform):
    """mmpose's ``RandomBBoxTransform``, whose draws take a hundredth of the time.

    Args:
        **kwargs: See ``RandomBBoxTransform``.
    """

    _truncnorm = staticmethod(truncated_normal)

    @cache_randomness
    def _get_transform_params(self, num_bboxes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw offsets (N, 2), scales (N, 1) and rotations (N,) in degrees, as mmpose does."""
        if num_bboxes != 1:
            return super()._get_transform_params(num_bboxes)
        x, y, scale, rotation = self._truncnorm(size=(4,)).tolist()
        shifts, scales, turns = np.random.rand(3) < (
            self.shift_prob,
            self.scale_prob,
            self.rotate_prob,
        )
        low, high = self.scale_factor
        offset = [x * self.shift_factor, y * self.shift_factor] if shifts else [0.0, 0.0]
        scale = scale * (high - low) / 2 + (high + low) / 2 if scales else 1.0
        rotation = rotation * self.rotate_factor if turns else 0.0
        return tuple(np.array(v, np.float32) for v in ([offset], [[scale]], [rotation]))


@TRANSFORMS.register_module()
class FastBottomupRandomAffine(BottomupRandomAffine):
    """mmpose's ``BottomupRandomAffine``, whose draws take a hundredth of the time.

    It also accepts a :class:`.DeferredImage`, if ``transform_mode`` is not ``'perspective'`` and
    ``pad_val`` is 0. It decodes this image at a reduced size if the image is larger than the input.

    Args:
        **kwargs: See ``BottomupRandomAffine``.
    """

    @property
    def takes_deferred(self) -> bool:
        """Whether ``img`` may be a :class:`.DeferredImage`."""
        warp = self.__dict__['_transform']
        return warp.func is cv2.warpAffine and not any(warp.keywords['borderValue'])

    @property
    def _transform(self) -> Callable:
        return self._warp

    @_transform.setter
    def _transform(self, warp: Callable) -> None:  # mmpose sets it as an attribute
        self.__dict__['_transform'] = warp

    def _warp(
        self, image: np.ndarray | DeferredImage, matrix: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray:
        if isinstance(image, DeferredImage):
            return image.warp(matrix, size)
        return self.__dict__['_transform'](image, matrix, size)

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
        given = results['bbox_scale']
        width, height = given[0].tolist()
        width, height = max(width, height * w / h), max(height, width * h / w)
        scale = results['bbox_scale'] = np.array([[width, height]], given.dtype)
        centre = results['bbox_center'][0]
        rotation = float(results['bbox_rotation'][0]) if 'bbox_rotation' in results else 0.0
        if self.use_udp:
            matrix = get_udp_warp_matrix(centre, scale[0], rotation, output_size=(w, h))
        else:
            matrix = warp_matrix(centre.tolist(), width, rotation, (w, h))
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
        results.update(input_size=(w, h), input_center=centre, input_scale=scale[0])
        return results


def warp_matrix(
    centre: Sequence[float], width: float, rotation: float, size: tuple[int, int]
) -> np.ndarray:
    """Compute mmpose's ``get_warp_matrix`` in closed form.

    Args:
        centre (Sequence[float]): x, y of a box in image pixels.
        width (float): Width of the box, which has the input's aspect ratio.
        rotation (float): Rotation in degrees.
        size (tuple[int, int]): [w, h] of the input.

    Returns:
        np.ndarray: (2, 3) float64, from image pixels to input pixels.
    """
    scale = size[0] / width
    cos, sin = math.cos(math.radians(rotation)) * scale, math.sin(math.radians(rotation)) * scale
    x, y = centre
    return np.array(
        [
            [cos, sin, size[0] / 2 - cos * x - sin * y],
            [-sin, cos, size[1] / 2 + sin * x - cos * y],
        ]
    )


def _flip(image: np.ndarray | DeferredImage, direction: str) -> np.ndarray | DeferredImage:
    if isinstance(image, DeferredImage):
        return image.flip(direction)
    return cv2.flip(image, _FLIP_CODES[direction])
