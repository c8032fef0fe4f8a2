# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Losses of the cluster-wise network: heatmaps, and tags with offsets within a cluster."""

from __future__ import annotations

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmpose_ext.utils.maps import Maps


@MODELS.register_module()
class ClusterTagLoss(nn.Module):
    """Detection and embedding loss of one branch of one stack (Eq. 1 to 8).

    - Detection (Eq. 1): mean square error over cells and images; ``cluster_reduction`` sets the
      reduction over clusters.
    - Pull (Eq. 3): squared difference between normalized tag and the person's reference, a mean
      over the person's visible keypoints, then over the people with visible keypoints.
    - Push (Eq. 6): exp(-(difference of references)^2 / (2 margin^2)), a mean over all pairs of such
      people; 0 for fewer than two people. The public training code of associative embedding has 0.5
      exp(-difference^2), which is ``margin=0.5**0.5, push_weight=0.5``.
    - Pull and push are means over the images; an image without people counts as 0.

    ``reading`` defines the normalized tag. Let h be the predicted tag at a keypoint, d the
    keypoint's place in its cluster and delta the step of the offsets:

    - ``'offset'``: h - d * delta. "We represent each tag by the cluster-wise mean value with an
      offset factor to distinguish the keypoints by their relative orders": the network learns to
      predict reference + d * delta, the normalization subtracts the offset, and the means of Eq. 5
      and 7 are over normalized tags. Decoding can then distinguish the keypoints of a cluster,
      which is the purpose of the offset.
    - ``'printed'``: mean of h over the person's visible keypoints in the cluster, plus d * delta,
      exactly as Eq. 4 and 5 are printed. The offset is a constant added to a mean, so every
      keypoint of a cluster gets the same gradient: nothing fixes the tags within a cluster, and the
      network learns neither their keypoint nor their person. This is for comparison.

    For clusters of one keypoint, both are plain associative embedding with a margin.

    No value is copied off the device, for any number of people.

    Args:
        detection_weight (float): lambda_d. Defaults to 1.
        tag_weight (float): lambda_e. Defaults to 1e-3.
        margin (float): Delta. Defaults to 4.
        pull_weight (float): Factor of the pull loss. Defaults to 1, as in Eq. 2. With 1 / margin^2,
            both losses are in units of the margin ("the tag values are normalized within each
            tagging heatmap"); docs/cluster-wise.md describes how the tags of all people collapse
            otherwise.
        push_weight (float): Factor of the push loss. Defaults to 1, as in Eq. 2.
        reading (str): ``'offset'`` or ``'printed'``. Defaults to ``'offset'``.
        cluster_reduction (str): ``'mean'`` over the clusters of a branch, "the mean Euclidean
            distance over all pairs of prediction and ground truth detection heatmap", or ``'sum'``,
            Eq. 1 "for each keypoint cluster". With the mean, a keypoint's Gaussian in one of 17
            maps counts a 17th of the same Gaussian in a single map. Defaults to ``'mean'``.
        tag_window (int): Odd edge length, in cells, of the square around a keypoint in which tags
            are trained; see :func:`widen`. Defaults to 1, the keypoint's own cell, as in
            associative embedding. The cells around it then have tags "through convolution
            propagation" (Section 3.4), which decoding reads if a peak is one cell off (see
            docs/cluster-wise.md).

    Raises:
        ValueError: If ``reading`` or ``cluster_reduction`` is unknown, ``margin`` is not positive,
            or ``tag_window`` is not odd.
    """

    def __init__(
        self,
        detection_weight: float = 1.0,
        tag_weight: float = 1e-3,
        margin: float = 4.0,
        pull_weight: float = 1.0,
        push_weight: float = 1.0,
        reading: str = 'offset',
        cluster_reduction: str = 'mean',
        tag_window: int = 1,
    ) -> None:
        super().__init__()
        if reading not in ('offset', 'printed'):
            raise ValueError(
                f"ClusterTagLoss: reading must be 'offset' or 'printed', got {reading!r}."
            )
        if cluster_reduction not in ('mean', 'sum'):
            raise ValueError(
                "ClusterTagLoss: cluster_reduction must be 'mean' or 'sum', got "
                f'{cluster_reduction!r}.'
            )
        if not margin > 0:
            raise ValueError(f'ClusterTagLoss: margin must be above 0, got {margin}.')
        if tag_window < 1 or tag_window % 2 == 0:
            raise ValueError(f'ClusterTagLoss: tag_window must be odd, got {tag_window}.')
        self.detection_weight = detection_weight
        self.tag_weight = tag_weight
        self.margin = margin
        self.pull_weight = pull_weight
        self.push_weight = push_weight
        self.reading = reading
        self.cluster_reduction = cluster_reduction
        self.tag_window = tag_window

    def forward(
        self,
        maps: Maps,
        targets: Maps,
        cluster_of: Tensor,
        place_in_cluster: Tensor,
        delta: float,
    ) -> Maps:
        """Compute the three losses.

        Args:
            maps (dict[str, Tensor]): The model's ``heatmaps`` and ``tags``, (B, C, h, w) each.
            targets (dict[str, Tensor]): As drawn by :class:`mmpose_ext.codecs.ClusterTag`:
                ``heatmaps`` (B, C, h, w), ``keypoint_indices`` (B, N, K) int64, cells of the
                keypoint's own map, ``keypoint_weights`` (B, N, K), above 0 where labeled, and
                optionally ``heatmap_weights`` (B, 1, h, w), 0 where Eq. 1 does not apply.
            cluster_of (Tensor): (K,) int64, each keypoint's cluster.
            place_in_cluster (Tensor): (K,) int64, d_k, counted from 0.
            delta (float): The codec's step of the offsets.

        Returns:
            dict[str, Tensor]: Scalars ``loss_heatmap``, ``loss_pull`` and ``loss_push``, multiplied
            by their weights.
        """
        detection = self.detection(maps['heatmaps'].float(), targets)
        indices, offsets = targets['keypoint_indices'], place_in_cluster * delta
        visible = (targets['keypoint_weights'] > 0).float()
        if self.tag_window > 1:
            indices, visible = widen(indices, visible, cluster_of, maps['tags'], self.tag_window)
            cells = self.tag_window**2
            cluster_of, offsets = (  # torch 2.0 reads the size off the device unless it gets it
                values.repeat_interleave(cells, output_size=len(values) * cells)
                for values in (cluster_of, offsets)
            )
        tags = read_tags(maps['tags'], indices, cluster_of).float()
        pull, push = self.embedding(tags, visible, cluster_of, offsets)
        return dict(
            loss_heatmap=self.detection_weight * detection,
            loss_pull=self.tag_weight * self.pull_weight * pull,
            loss_push=self.tag_weight * self.push_weight * push,
        )

    def detection(self, heatmaps: Tensor, targets: Maps) -> Tensor:
        """Compute Eq. 1, a scalar."""
        error = (heatmaps - targets['heatmaps']).square()
        if 'heatmap_weights' in targets:
            error = error * targets['heatmap_weights']
        return error.mean() * (error.shape[1] if self.cluster_reduction == 'sum' else 1)

    def embedding(
        self, tags: Tensor, visible: Tensor, cluster_of: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute pull and push (Eq. 3 to 7), scalars.

        Args:
            tags (Tensor): (B, N, K), the predicted tags at the keypoints.
            visible (Tensor): (B, N, K), 1 or 0.
            cluster_of (Tensor): (K,) int64.
            offsets (Tensor): (K,), d_k * delta.
        """
        if self.reading == 'offset':
            normalized = tags - offsets
            reference = _mean(normalized, visible)
        else:
            normalized = cluster_means(tags, visible, cluster_of) + offsets
            reference = _mean(tags, visible)
        person = visible.amax(-1)
        pull = _mean((normalized - reference[..., None]).square(), visible)
        others = person[:, :, None] * person[:, None]
        others = others * (1 - torch.eye(person.shape[1], device=tags.device))
        difference = reference[:, :, None] - reference[:, None]
        closeness = torch.exp(difference.square() / (-2 * self.margin**2))
        push = _mean(closeness.flatten(1), others.flatten(1))
        return _mean(pull, person).mean(), push.mean()


def read_tags(tags: Tensor, keypoint_indices: Tensor, cluster_of: Tensor) -> Tensor:
    """Read tags (B, C, h, w) at the keypoints' cells (B, N, K), each in its cluster's map."""
    index = keypoint_indices + cluster_of * tags.shape[2:].numel()
    return tags.flatten(1).gather(1, index.flatten(1)).view(index.shape)


def widen(
    keypoint_indices: Tensor, visible: Tensor, cluster_of: Tensor, tags: Tensor, window: int
) -> tuple[Tensor, Tensor]:
    """Add the cells around each keypoint; a window of W cells counts as W keypoints.

    Cells outside the map do not count, nor do cells with another keypoint of the cluster, of any
    person. A cell next to two keypoints is trained for both.

    Args:
        keypoint_indices (Tensor): (B, N, K) int64, y * w + x.
        visible (Tensor): (B, N, K) float, 1 or 0.
        cluster_of (Tensor): (K,) int64.
        tags (Tensor): (B, C, h, w), for its shape.
        window (int): The window's odd edge length in cells; W is its square.

    Returns:
        tuple: indices and visible, (B, N, K * W), with each keypoint's cells together.
    """
    h, w = tags.shape[-2:]
    steps = torch.arange(-(window // 2), window // 2 + 1, device=tags.device)
    y = (keypoint_indices // w)[..., None] + steps
    x = (keypoint_indices % w)[..., None] + steps
    inside = ((y >= 0) & (y < h))[..., :, None] & ((x >= 0) & (x < w))[..., None, :]
    cells = (y.clamp(0, h - 1) * w)[..., :, None] + x.clamp(0, w - 1)[..., None, :]
    cells = cells.flatten(-2)  # (B, N, K, W)
    first = cluster_of * (h * w)
    own = visible.new_zeros(len(tags), tags[0].numel())
    own.scatter_add_(1, (keypoint_indices + first).flatten(1), visible.flatten(1))
    free = own.gather(1, (cells + first[:, None]).flatten(1)).view(cells.shape) == 0
    free |= torch.arange(window**2, device=tags.device) == window**2 // 2
    shown = visible[..., None] * (inside.flatten(-2) & free)
    return cells.flatten(2), shown.flatten(2)


def cluster_means(tags: Tensor, visible: Tensor, cluster_of: Tensor) -> Tensor:
    """Return, per keypoint (B, N, K), the mean tag of its person's visible ones in its cluster."""
    same = visible[..., None, :] * (cluster_of[:, None] == cluster_of)  # (B, N, K, K)
    return _mean(tags[..., None, :], same)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over the last dimension of the values with weight 1; 0 without any."""
    return (values * weights).sum(-1) / weights.sum(-1).clamp(min=1)
