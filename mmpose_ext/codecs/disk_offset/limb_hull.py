# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw a person's rough shape from the keypoints, for people without a segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from .kinematic_graph import COCO_EDGES

#: The trunk in COCO's keypoints, in order around it: the only convex part that is not a limb.
COCO_TRUNK = (5, 6, 12, 11)
#: Half of a limb's width, as a fraction of the diagonal of the labeled keypoints' box.
HALF_WIDTH = 0.05
#: Half of a limb's least width, in input pixels.
LEAST_HALF_WIDTH = 4.0


def draw_limb_hulls(
    points: Tensor,
    labeled: Tensor,
    size: tuple[int, int],
    pitch: Tensor,
    parts: Sequence[Sequence[int]] = (*COCO_EDGES, COCO_TRUNK),
) -> Tensor:
    """Draw each person as the union of the parts' convex hulls, widened to the limbs' width.

    The hull of a part covers its labeled keypoints, each as a disk with a radius of half a limb's
    width: ``HALF_WIDTH`` times the diagonal of the box around the person's labeled keypoints, at
    least ``LEAST_HALF_WIDTH``, as in the transform :class:`PersonMasks`. A convex shape meets a row
    of cells in one interval. Its ends are computed for all rows and people at once, and a running
    sum fills the rows. If people overlap, the one with the smaller diagonal is in front, because a
    larger person behind remains visible elsewhere.

    Args:
        points (Tensor): (B, N, K, 2) float32 in input pixels.
        labeled (Tensor): (B, N, K) bool.
        size (tuple[int, int]): Size of the map in cells, [w, h].
        pitch (Tensor): (2,) input pixels from cell to cell.
        parts (Sequence[Sequence[int]]): Keypoints of each convex part. Defaults to COCO's limbs
            and trunk.

    Returns:
        Tensor: (B, h, w) int64: 0 for nobody, n + 1 for person n.
    """
    w, h = size
    num_images, num_people = labeled.shape[:2]
    if num_people == 0:
        return torch.zeros(num_images, h, w, dtype=torch.long, device=points.device)
    diagonal = _diagonal(points, labeled)
    half_width = (HALF_WIDTH * diagonal).clamp(min=LEAST_HALF_WIDTH)
    rows = torch.arange(h, device=points.device) * pitch[1]
    count = torch.zeros(num_images, num_people, h, w + 1, device=points.device)
    for part in parts:  # one part at a time, which saves memory
        left, right = _part_interval(points, labeled, part, half_width, rows)
        first = (left / pitch[0]).ceil().clamp(0, w).long()
        last = (right / pitch[0]).floor().clamp(-1, w - 1).long() + 1
        filled = ((last > first) & (right >= left)).float()
        count.scatter_add_(-1, first[..., None], filled[..., None])
        count.scatter_add_(-1, last[..., None], -filled[..., None])
    covered = count.cumsum(-1)[..., :w] > 0.5
    order = torch.where(labeled.any(-1), diagonal, torch.inf).argsort(dim=-1, stable=True)
    in_order = covered.gather(1, order[..., None, None].expand_as(covered))
    front = in_order.to(torch.uint8).argmax(1)  # the first of the largest values
    person = order.gather(1, front.flatten(1)).view(num_images, h, w) + 1
    return person * covered.any(1)


def _diagonal(points: Tensor, labeled: Tensor) -> Tensor:
    """Return the diagonal (B, N) of the box around the labeled keypoints; 0 without any."""
    low = points.masked_fill(~labeled[..., None], torch.inf).amin(2)
    high = points.masked_fill(~labeled[..., None], -torch.inf).amax(2)
    return (high - low).clamp(min=0).square().sum(-1).sqrt()


def _part_interval(
    points: Tensor, labeled: Tensor, part: Sequence[int], half_width: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Return where a part's hull starts and ends in each row: two (B, N, h) in input pixels.

    Segments between pairs of points bound the hull of the points. Its ends in each row are
    therefore the extremes over all pairs, including pairs of a point with itself. Empty rows start
    at infinity.
    """
    pairs = torch.tensor([*((k, k) for k in part), *combinations(part, 2)])
    pairs = pairs.to(points.device, non_blocking=True)
    start, end = points[:, :, pairs[:, 0]], points[:, :, pairs[:, 1]]
    both = labeled[:, :, pairs].all(-1)
    left, right = _capsule_interval(start, end, half_width[..., None, None], rows)
    left = left.masked_fill(~both[..., None], torch.inf).amin(2)
    right = right.masked_fill(~both[..., None], -torch.inf).amax(2)
    return left, right


def _capsule_interval(
    start: Tensor, end: Tensor, radius: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a capsule's interval in each row: start and end (..., 2), rows (h,) -> two (..., h).

    A capsule consists of two disks and the rectangle between them. The rectangle's ends in a row
    are the points at which the row meets its two long sides.
    """
    lefts, rights = [], []
    for center in (start, end):
        dy = rows - center[..., 1:]
        half = (radius.square() - dy.square()).sqrt()  # NaN where the row misses the disk
        lefts.append((center[..., :1] - half).nan_to_num(torch.inf))
        rights.append((center[..., :1] + half).nan_to_num(-torch.inf))
    along = end - start
    length = along.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-6)
    normal = torch.stack([-along[..., 1], along[..., 0]], -1) / length * radius
    for side in (normal, -normal):
        a, rise = start + side, along[..., 1:]
        share = (rows - a[..., 1:]) / torch.where(rise.abs() < 1e-6, torch.nan, rise)
        x = a[..., :1] + share * along[..., :1]
        meets = (share >= 0) & (share <= 1)
        lefts.append(torch.where(meets, x, torch.inf))
        rights.append(torch.where(meets, x, -torch.inf))
    return torch.stack(lefts).amin(0), torch.stack(rights).amax(0)
