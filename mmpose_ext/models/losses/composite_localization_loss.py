# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""CLNet's loss (composite localization) and the two losses that its paper compares it with."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.utils.maps import Maps

REGIONS = ('predicted', 'target', 'union', 'asked')


class HeatmapOffsetLoss(nn.Module, ABC):
    """Weighted sum of a heatmap loss and an offset loss (Eq. 6).

    Both are means over all B * K keypoints, because Eq. 4 and 5 divide by K: a keypoint of weight 0
    counts in the divisor, as in mmpose's KeypointMSELoss.

    ``heatmap_reduction`` selects the reduction of a keypoint's square error over its map. The mean
    over all cells (``'mean'``, the plain reading of Eq. 4) is tiny compared with the offset loss, a
    mean over a few cells (Eq. 5): at the first step the gradient at the offsets is 31 times that at
    the heatmaps with 8x8 cells, and 119 times with 16x16. With the sum over the cells (``'sum'``)
    both have similar weight (0.5) at any size.

    Args:
        heatmap_weight (float): omega_h. Defaults to 0.5.
        offset_weight (float): omega_o. Defaults to 2.
        heatmap_reduction (str): ``'mean'`` or ``'sum'`` over a map's cells. Defaults to
            ``'mean'``.

    Raises:
        ValueError: If ``heatmap_reduction`` is unknown.
    """

    #: Whether the model's heatmaps must be logits; the head's ``logits`` must agree.
    from_logits = False

    def __init__(
        self,
        heatmap_weight: float = 0.5,
        offset_weight: float = 2.0,
        heatmap_reduction: str = 'mean',
    ) -> None:
        super().__init__()
        if heatmap_reduction not in ('mean', 'sum'):
            raise ValueError(
                f"{type(self).__name__}: heatmap_reduction must be 'mean' or 'sum', got "
                f'{heatmap_reduction!r}.'
            )
        self.heatmap_weight = heatmap_weight
        self.offset_weight = offset_weight
        self.heatmap_reduction = heatmap_reduction

    def forward(self, maps: Maps, targets: Maps, tau: float) -> Maps:
        """Compute both losses.

        Args:
            maps (dict[str, Tensor]): The model's ``heatmaps`` (B, K, h, w) and ``offsets``
                (B, 2K, h, w).
            targets (dict[str, Tensor]): The same as drawn by
                :class:`mmpose_ext.codecs.CompositeLocalization`, and ``keypoint_weights``
                (B, 1, K).
            tau (float): The codec's threshold.

        Returns:
            dict[str, Tensor]: Scalars ``loss_heatmap`` and ``loss_offset``, multiplied by their
            weights.
        """
        weights = targets['keypoint_weights'][:, 0]
        heatmap_loss = self.heatmap_loss(maps['heatmaps'], targets['heatmaps'], tau).flatten(2)
        heatmap_loss = (
            heatmap_loss.sum(-1) if self.heatmap_reduction == 'sum' else heatmap_loss.mean(-1)
        )
        cells = self.offset_loss(maps['offsets'], targets['offsets'])
        cells = cells.unflatten(1, (2, -1)).sum(1)
        region = self.region(maps['heatmaps'].detach(), targets['heatmaps'], tau)
        offset_loss = (cells * region).sum((2, 3)) / region.sum((2, 3)).clamp(min=1)
        return dict(
            loss_heatmap=self.heatmap_weight * (heatmap_loss * weights).mean(),
            loss_offset=self.offset_weight * (offset_loss * weights).mean(),
        )

    def heatmap_loss(self, heatmaps: Tensor, target: Tensor, tau: float) -> Tensor:
        """Return each cell's heatmap loss (B, K, h, w)."""
        return F.mse_loss(heatmaps, target, reduction='none')

    def offset_loss(self, offsets: Tensor, target: Tensor) -> Tensor:
        """Return each cell's offset loss (B, 2K, h, w)."""
        return F.smooth_l1_loss(offsets, target, reduction='none')

    @abstractmethod
    def region(self, heatmaps: Tensor, target: Tensor, tau: float) -> Tensor:
        """Return a mask (B, K, h, w) of the cells whose offsets are trained."""


def target_region(target: Tensor, tau: float) -> Tensor:
    """Return the cells of the target heatmaps (B, K, h, w) at tau or above, and the best one.

    The best cell makes a difference only at stride 32, where a keypoint near a cell's corner is 22
    px from the nearest center.
    """
    return (target >= tau) | peak_cell(target)


def peak_cell(heatmaps: Tensor) -> Tensor:
    """Return a mask (B, K, h, w), bool, of each map's first maximum."""
    best = heatmaps.flatten(2).argmax(-1, keepdim=True)
    mask = torch.zeros_like(heatmaps, dtype=torch.bool).flatten(2)
    return mask.scatter_(-1, best, True).view_as(heatmaps)


@MODELS.register_module()
class CompositeLocalizationLoss(HeatmapOffsetLoss):
    """Mean square error on the heatmaps, smooth L1 on the offsets of a region (Eq. 4 to 6).

    The region Omega of Eq. 5 consists of the cells where the *predicted* heatmap reaches tau: the
    cells that decoding reads. Early in training there are none, and later there are none where the
    model is unsure. For such a keypoint (in one image) the region is instead the cells where the
    *target* reaches tau, so offsets learn from the first step and the loss never divides by zero.
    Gradients do not flow through the choice of the region.

    If no cell reaches tau, decoding reads the best predicted cell. If a model's error is normally
    distributed with a standard deviation of s pixels, the heatmap that minimizes Eq. 4 peaks at 256
    / (256 + s^2), so no cell reaches tau if s exceeds 13 pixels. ``region='asked'`` trains the
    offsets of the best predicted cell as well.

    Args:
        heatmap_weight (float): omega_h. Defaults to 0.5.
        offset_weight (float): omega_o. Defaults to 2.
        heatmap_reduction (str): ``'mean'`` or ``'sum'``, see :class:`HeatmapOffsetLoss`.
            Defaults to ``'mean'``.
        region (str): ``'predicted'``: as above, the paper's region. ``'target'``: always the
            target's cells. ``'union'``: both, so the right cells learn even if the prediction is
            elsewhere. ``'asked'``: all cells that decoding may read: those of ``'predicted'``, or
            if there are none, the best predicted cell together with the target's cells. Defaults to
            ``'predicted'``.

    Raises:
        ValueError: If a setting is unknown.
    """

    def __init__(
        self,
        heatmap_weight: float = 0.5,
        offset_weight: float = 2.0,
        heatmap_reduction: str = 'mean',
        region: str = 'predicted',
    ) -> None:
        super().__init__(heatmap_weight, offset_weight, heatmap_reduction)
        if region not in REGIONS:
            raise ValueError(
                f'CompositeLocalizationLoss: region must be one of {REGIONS}, got {region!r}.'
            )
        self.region_of = region

    def region(self, heatmaps: Tensor, target: Tensor, tau: float) -> Tensor:
        """Return the cells of ``region`` (B, K, h, w) as a mask."""
        if self.region_of == 'target':
            return target_region(target, tau)
        predicted = heatmaps >= tau
        if self.region_of == 'union':
            return predicted | target_region(target, tau)
        empty = ~predicted.flatten(2).any(-1)[..., None, None]
        fallback = target_region(target, tau)
        if self.region_of == 'asked':
            fallback = fallback | peak_cell(heatmaps)
        return predicted | (fallback & empty)


@MODELS.register_module()
class PeakOffsetLoss(HeatmapOffsetLoss):
    """Mean square error on the heatmaps and on the offsets of the target's peak cell.

    This is the first comparison of Section 4.3 ("the MSE loss on offsetmaps where the corresponding
    position in the heatmap is the peak", with the traditional Gaussian heatmap loss). Decode with
    the codec's ``decode_from='peak'``, because no other cell's offsets are trained.
    """

    def offset_loss(self, offsets: Tensor, target: Tensor) -> Tensor:
        """Return each cell's square error (B, 2K, h, w)."""
        return F.mse_loss(offsets, target, reduction='none')

    def region(self, heatmaps: Tensor, target: Tensor, tau: float) -> Tensor:
        """Return the target's peak cells (B, K, h, w) as a mask."""
        return peak_cell(target)


@MODELS.register_module()
class BinaryHeatmapOffsetLoss(HeatmapOffsetLoss):
    """Binary classification of the cells, and smooth L1 on the offsets of the positive ones.

    This is the second comparison of Section 4.3, the loss of G-RMI (Papandreou et al., CVPR 2017):
    a cell is positive within a radius of the keypoint. Here it is the radius at which the target
    heatmap falls to tau (16 px). The model's heatmaps are logits.
    """

    from_logits = True

    def heatmap_loss(self, heatmaps: Tensor, target: Tensor, tau: float) -> Tensor:
        """Return each cell's binary cross entropy (B, K, h, w)."""
        positive = target_region(target, tau).to(heatmaps.dtype)
        return F.binary_cross_entropy_with_logits(heatmaps, positive, reduction='none')

    def region(self, heatmaps: Tensor, target: Tensor, tau: float) -> Tensor:
        """Return the positive cells (B, K, h, w) as a mask."""
        return target_region(target, tau)
