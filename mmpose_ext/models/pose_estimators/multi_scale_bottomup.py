# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Bottom-up estimator that tests at several scales of the input."""

from __future__ import annotations

from mmpose.models.pose_estimators import BottomupPoseEstimator
from mmpose.registry import MODELS
from mmpose.utils.typing import SampleList
from torch import Tensor
from torch.nn.functional import interpolate


@MODELS.register_module()
class MultiScaleBottomupEstimator(BottomupPoseEstimator):
    """mmpose's bottom-up estimator with test-time scales.

    Associative embedding's figures are for scales 2, 1 and 0.5. StrongPose's paper says that other
    bottom-up methods use several scales (Table II); it names none for its own.

    mmpose's own ``multiscale_test`` needs an image pyramid, which its ``PackPoseInputs`` cannot
    pack (it stacks images of different sizes). Here the input is scaled on the model's device:
    ``test_cfg=dict(scales=(1.0, 0.5, 0.25), flip_test=True)``. A scale above 1 adds no detail to
    the input, so give ``BottomupResize`` the largest size and set scales of at most 1.

    The scaling depends on the head's frame. If its ``align_corners`` is True
    (:class:`mmpose_ext.models.heads.DiskOffsetHead`), corners stay corners and sides are rounded to
    16 n + 1 pixels. Otherwise (:class:`mmpose_ext.models.heads.ClusterTagHead`) edges stay edges
    and sides are rounded to multiples of the backbone's ``divisor``.

    The head's ``predict`` gets a list of the scales' features. Its ``test_cfg`` holds
    ``full_size``, the [w, h] of the whole batch's input, and ``input_sizes``, those of each scale.
    Without ``scales`` this is mmpose's estimator.
    """

    def predict(self, inputs: Tensor, data_samples: SampleList) -> SampleList:
        """Predict people at all scales together.

        Args:
            inputs (Tensor): (B, 3, H, W).
            data_samples (list[PoseDataSample]): B samples.

        Returns:
            list[PoseDataSample]: The samples with ``pred_instances``.
        """
        scales = self.test_cfg.get('scales')
        if not scales:
            return super().predict(inputs, data_samples)
        divisor = getattr(self.backbone, 'divisor', 16)
        align_corners = getattr(self.head, 'align_corners', True)
        feats, sizes = [], []
        for scale in scales:
            scaled = scale_input(inputs, scale, divisor, align_corners)
            sizes.append(_size(scaled))
            features = self.extract_feat(scaled)
            if self.test_cfg.get('flip_test', False):
                features = [features, self.extract_feat(scaled.flip(-1))]
            feats.append(features)
        test_cfg = dict(self.test_cfg, input_sizes=sizes, full_size=_size(inputs))
        preds = self.head.predict(feats, data_samples, test_cfg=test_cfg)
        preds, fields = preds if isinstance(preds, tuple) else (preds, None)
        return self.add_pred_to_datasample(preds, fields, data_samples)


def scale_input(
    inputs: Tensor, scale: float, divisor: int = 16, align_corners: bool = True
) -> Tensor:
    """Scale images (B, C, H, W).

    Args:
        inputs (Tensor): (B, C, H, W).
        scale (float): Factor of the sides; 1 leaves the images unchanged.
        divisor (int): See ``align_corners``. Defaults to 16.
        align_corners (bool): If True, the corner pixels' centers stay in the corners, and sides
            become ``divisor`` * n + 1 pixels. If False, the image's edges stay its edges, and sides
            become multiples of ``divisor``. Defaults to True.

    Returns:
        Tensor: (B, C, h, w).

    Raises:
        ValueError: If the scale is not above 0.
    """
    if not scale > 0:
        raise ValueError(f'test_cfg.scales must be above 0, got {scale}.')
    if scale == 1:
        return inputs
    odd = int(align_corners)
    size = [
        max(1, round((side - odd) * scale / divisor)) * divisor + odd for side in inputs.shape[-2:]
    ]
    return interpolate(inputs, size, mode='bilinear', align_corners=align_corners)


def _size(inputs: Tensor) -> tuple[int, int]:
    return inputs.shape[-1], inputs.shape[-2]
