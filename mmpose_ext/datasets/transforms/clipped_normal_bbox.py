# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Random scale and rotation as in the public code of SimpleBaseline and of Newell's hourglass."""

from __future__ import annotations

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmpose.datasets.transforms import RandomBBoxTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClippedNormalBBoxTransform(RandomBBoxTransform):
    """Scale and rotate boxes by clipped normal variables, like SimpleBaseline's code.

    The scale is 1 + ``scale_std`` * n, clipped to 1 - ``scale_std`` ... 1 + ``scale_std``: about
    16 % of the draws are at each end. The rotation is ``rotate_std`` * n degrees, clipped to two
    standard deviations, with a probability of ``rotate_prob``, and otherwise 0. n is a standard
    normal variable. With 40 degrees, the standard deviation of a rotation is 38.4 degrees, and 32 %
    of the rotations exceed 40.

    The public training code of Newell's stacked hourglass draws the rotation in the same way, with
    30 degrees for 40 % of the samples, and the scale as 2 to the power of 0.25 * n, clipped to two
    standard deviations: 0.71 to 1.41 (``log_scale=True``).

    mmpose's ``RandomBBoxTransform`` instead truncates the normal variable at one standard
    deviation, so its ``rotate_factor=40`` has a standard deviation of 21.6 degrees.

    Required and modified keys: ``bbox_center`` (N, 2), ``bbox_scale`` (N, 2), in image pixels.
    Added key: ``bbox_rotation`` (N,), in degrees.

    Args:
        scale_std (float): Standard deviation of the scale before clipping. Defaults to 0.3.
        rotate_std (float): Standard deviation of the rotation, in degrees. Defaults to 40.
        rotate_prob (float): Probability of a rotation. Defaults to 0.6.
        log_scale (bool): Whether the scale is 2 ** (``scale_std`` * n), with n clipped to two
            standard deviations. Defaults to False.

    Raises:
        ValueError: If ``scale_std`` is not in [0, 1), ``rotate_std`` is negative, or
            ``rotate_prob`` is not in [0, 1].
    """

    def __init__(
        self,
        scale_std: float = 0.3,
        rotate_std: float = 40.0,
        rotate_prob: float = 0.6,
        log_scale: bool = False,
    ) -> None:
        if not 0 <= scale_std < 1 or rotate_std < 0 or not 0 <= rotate_prob <= 1:
            raise ValueError(
                'ClippedNormalBBoxTransform: scale_std must be in [0, 1), rotate_std 0 or more and '
                f'rotate_prob in [0, 1], got {scale_std}, {rotate_std} and {rotate_prob}.'
            )
        scales = (4**-scale_std, 4**scale_std) if log_scale else (1 - scale_std, 1 + scale_std)
        super().__init__(
            shift_prob=0.0,
            scale_factor=scales,
            rotate_factor=2 * rotate_std,
            rotate_prob=rotate_prob,
        )
        self.scale_std = scale_std
        self.rotate_std = rotate_std
        self.log_scale = log_scale

    def draw_numbers(self) -> np.ndarray:
        """Draw the (3,) float64 numbers that decide on one person: two normal, one uniform."""
        return np.append(np.random.randn(2), np.random.rand())

    def parameters(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute what the numbers say.

        Args:
            numbers (np.ndarray): (N, 3) from :meth:`draw_numbers`.

        Returns:
            tuple[np.ndarray, np.ndarray, np.ndarray]: Offsets (N, 2), all 0, scales (N, 1), as a
            factor of the box, and rotations (N,) in degrees, float32.
        """
        normal = numbers[:, :2].astype(np.float32)
        if self.log_scale:
            scale = np.exp2(self.scale_std * normal[:, :1].clip(-2, 2))
        else:
            scale = 1 + self.scale_std * normal[:, :1].clip(-1, 1)
        rotate = self.rotate_std * normal[:, 1].clip(-2, 2)
        rotate = np.where(numbers[:, 2] < self.rotate_prob, rotate, 0.0)
        return np.zeros((len(numbers), 2), np.float32), scale, rotate.astype(np.float32)

    @cache_randomness
    def _get_transform_params(self, num_bboxes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw offsets (N, 2), all 0, scales (N, 1), and rotations (N,) in degrees, float32."""
        normal, uniform = np.random.randn(2, num_bboxes), np.random.rand(1, num_bboxes)
        return self.parameters(np.concatenate([normal, uniform]).T)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale_std={self.scale_std}, rotate_std={self.rotate_std}, '
            f'rotate_prob={self.rotate_prob}, log_scale={self.log_scale})'
        )
