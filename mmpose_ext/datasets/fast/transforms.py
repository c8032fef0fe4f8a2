# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster versions of mmpose's transforms, with the same draws from the same distributions."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmengine import fileio
from mmpose.datasets.transforms import (
    LoadImage,
    RandomBBoxTransform,
    RandomFlip,
    RandomHalfBody,
)
from mmpose.registry import TRANSFORMS

from .deferred_image import DeferredImage
from .deferred_warp import DeferredWarp
from .draws import truncated_quantile
from .encoded_image import EncodedImage

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
        centers, scales = results['bbox_center'], results['bbox_scale']
        for number, ids in enumerate(chosen):
            if ids is not None:
                center, scale = self._get_half_body_bbox(results['keypoints'][number], ids)
                if centers is results['bbox_center']:
                    centers, scales = centers.copy(), scales.copy()
                centers[number], scales[number] = center, scale
        results.update(bbox_center=centers, bbox_scale=scales)
        return results


@TRANSFORMS.register_module()
class FastRandomBBoxTransform(RandomBBoxTransform):
    """mmpose's ``RandomBBoxTransform``, whose draws take a hundredth of the time.

    Args:
        **kwargs: See ``RandomBBoxTransform``.
    """

    def draw_numbers(self) -> np.ndarray:
        """Draw the (7,) float64 numbers between 0 and 1 that decide on one person."""
        return np.random.random_sample(7)

    def parameters(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute what mmpose computes from the same numbers.

        Args:
            numbers (np.ndarray): (N, 7) from :meth:`draw_numbers`.

        Returns:
            tuple[np.ndarray, np.ndarray, np.ndarray]: Offsets (N, 2) and scales (N, 1), as factors
            of the box, and rotations (N,) in degrees, float32.
        """
        normal = truncated_quantile(numbers[:, :4])
        shares = self.shift_prob, self.scale_prob, self.rotate_prob
        shifts, scales, turns = (numbers[:, 4:] < shares).T
        low, high = self.scale_factor
        offset = np.where(shifts[:, None], normal[:, :2] * self.shift_factor, 0.0)
        scale = normal[:, 2] * ((high - low) * 0.5) + (high + low) * 0.5
        scale = np.where(scales, scale, 1.0)
        rotation = np.where(turns, normal[:, 3] * self.rotate_factor, 0.0)
        return offset, scale[:, None], rotation

    @cache_randomness
    def _get_transform_params(self, num_bboxes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw offsets (N, 2), scales (N, 1) and rotations (N,) in degrees, as mmpose does."""
        numbers, uniform = np.random.rand(num_bboxes, 4), np.random.rand(3, num_bboxes)
        return self.parameters(np.concatenate([numbers, uniform.T], 1))


def _flip(
    image: np.ndarray | DeferredImage | DeferredWarp, direction: str
) -> np.ndarray | DeferredImage | DeferredWarp:
    if isinstance(image, (DeferredImage, DeferredWarp)):
        return image.flip(direction)
    return cv2.flip(image, _FLIP_CODES[direction])
