# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The loss of disk heatmaps, body heatmap and offsets (StrongPose)."""

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.utils.maps import Maps


@MODELS.register_module()
class DiskOffsetLoss(nn.Module):
    """Logistic loss on the heatmaps and L1 loss on the offsets in their supports (Section III-B).

    - ``loss_heatmap``: "the average logistic loss based on the image position", over all K maps,
      without the positions that ``loss_weights`` excludes (crowds, people without keypoints).
    - ``loss_body``: the same for the body heatmap, but including people without keypoints, who are
      bodies too. It excludes only those positions of ``loss_weights`` where no person is annotated
      (crowds). This follows the authors' code; the paper does not say.
    - ``loss_short``: "averaged and back-propagated only at the positions in D_R": the mean of
      ``|error| / R`` over the cells of the disks and over x and y. The other offset losses are
      means of ``|error| / R`` too.
    - ``loss_mid``: in the disk of the edge's start, if the edge's end is labeled.
    - ``loss_long``: on the person's segment, for the labeled keypoints.

    Supports are counted over the batch, and the loss of an empty support is 0. The paper gives no
    weights: the defaults are those of the authors' code (a comment there gives 0.25 and 0.125 for
    mid and long). The paper does not say whether mid and long offsets are also trained before the
    refinement by the short ones. The authors' code trains only the refined ones (``raw_share=0``),
    so a wrong offset learns only through the short offsets that it happens to point to. By default
    half of the weight is on the raw offsets.

    Args:
        heatmap_weight (float): Defaults to 4.
        body_weight (float): Defaults to 2.
        short_weight (float): Defaults to 1.
        mid_weight (float): Defaults to 0.4.
        long_weight (float): Defaults to 0.1.
        raw_share (float): Share of the mid and long weights for the offsets before refinement, 0 to
            1. Defaults to 0.5.

    Raises:
        ValueError: If ``raw_share`` is not between 0 and 1.
    """

    def __init__(
        self,
        heatmap_weight: float = 4.0,
        body_weight: float = 2.0,
        short_weight: float = 1.0,
        mid_weight: float = 0.4,
        long_weight: float = 0.1,
        raw_share: float = 0.5,
    ) -> None:
        super().__init__()
        if not 0 <= raw_share <= 1:
            raise ValueError(f'DiskOffsetLoss: raw_share must be within 0 to 1, got {raw_share}.')
        self.heatmap_weight = heatmap_weight
        self.body_weight = body_weight
        self.short_weight = short_weight
        self.mid_weight = mid_weight
        self.long_weight = long_weight
        self.raw_share = raw_share

    def forward(self, maps: Maps, refined: Maps, targets: Maps, radius: float) -> Maps:
        """Compute all losses.

        Args:
            maps (dict[str, Tensor]): The model's maps at the targets' size: logits ``heatmaps`` (B,
                K, h, w) and ``body_heatmaps`` (B, 1, h, w); ``short_offsets`` (B, 2K, h, w),
                ``mid_offsets`` (B, 2D, h, w) and ``long_offsets`` (B, 2K, h, w) in input pixels.
            refined (dict[str, Tensor]): ``mid_offsets`` and ``long_offsets`` after refinement.
            targets (dict[str, Tensor]): Maps that :class:`mmpose_ext.codecs.DiskOffset` draws.
            radius (float): The disks' radius R in input pixels.

        Returns:
            dict[str, Tensor]: Scalars, multiplied by their weights.
        """
        counted = targets['loss_weights']
        losses = dict(
            loss_heatmap=self.heatmap_weight
            * logistic_loss(maps['heatmaps'], targets['heatmaps'], counted),
            loss_body=self.body_weight
            * logistic_loss(
                maps['body_heatmaps'],
                targets['body_heatmaps'],
                torch.maximum(counted, targets['body_heatmaps']),
            ),
            loss_short=self.short_weight
            / radius
            * offset_loss(
                maps['short_offsets'], targets['short_offsets'], targets['heatmaps'] * counted
            ),
        )
        for name, weight in (('mid', self.mid_weight), ('long', self.long_weight)):
            target, support = targets[f'{name}_offsets'], targets[f'{name}_weights']
            parts = ((refined, 1 - self.raw_share), (maps, self.raw_share))
            losses[f'loss_{name}'] = (
                weight
                / radius
                * sum(
                    share * offset_loss(offsets[f'{name}_offsets'], target, support)
                    for offsets, share in parts
                    if share
                )
            )
        return losses


def logistic_loss(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Return the mean logistic loss of maps (B, C, h, w) over the counted cells (B, 1, h, w)."""
    total = F.binary_cross_entropy_with_logits(logits, target, weight=counted, reduction='sum')
    return total / (counted.sum() * logits.shape[1]).clamp(min=1)


def offset_loss(offsets: Tensor, target: Tensor, support: Tensor) -> Tensor:
    """Return the mean ``|error|`` of offsets (B, 2C, h, w) over x, y and a support (B, C, h, w)."""
    errors = (offsets - target).abs().unflatten(1, (-1, 2)).sum(2)
    # where(), not a product: offsets outside the support may be infinite
    total = torch.where(support > 0, errors, 0).sum()
    return total / (2 * (support > 0).sum()).clamp(min=1)
