# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Follow the offsets of StrongPose's maps from points, on the maps' device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmpose_ext.utils.maps import Maps

from .settings import BODY_REACH, LEAST_OFFSET, REFINE_STEPS


class Samples(NamedTuple):
    """Predictions of P candidates; X is the largest number of edges that start at a keypoint."""

    ends: Tensor  #: (P, X, 2), the ends of the candidate's edges, in input pixels
    end_scores: Tensor  #: (P, X), the keypoint heatmaps at these ends
    far: Tensor  #: (P, K, 2), the ends of the long offsets, in input pixels
    body: Tensor  #: (P,), the maximum of the body heatmap nearby
    exists: Tensor  #: (P, X) bool, whether the edge leads anywhere
    known: Tensor  #: (P, K) bool, whether the long offset leads anywhere


def cell_pitch(input_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return the input pixels from cell to cell (2,) for maps of size [w, h], on the CPU."""
    pixels, cells = torch.tensor(input_size), torch.tensor(size)
    return (pixels - 1).clamp(min=1) / (cells - 1).clamp(min=1)


def nearest_cells(points: Tensor, size: tuple[int, int], pitch: Tensor) -> tuple[Tensor, Tensor]:
    """Return the index y * w + x (...) of the nearest cell, and its position (..., 2)."""
    last = torch.tensor(size, device=points.device) - 1
    cells = (points / pitch).round().nan_to_num(0.0).clamp(min=0).minimum(last)
    index = (cells[..., 1] * size[0] + cells[..., 0]).long()
    return index, cells * pitch


def read(maps: Tensor, image: Tensor, channel: Tensor, cell: Tensor) -> Tensor:
    """Read contiguous maps (B, C, h, w) at images, channels and cells of any one shape."""
    channels, h, w = maps.shape[1:]
    return maps.view(-1)[(image * channels + channel) * (h * w) + cell]


def read_offsets(maps: Tensor, image: Tensor, channel: Tensor, cell: Tensor) -> Tensor:
    """Read offsets (..., 2) of maps (B, 2C, h, w)."""
    pair = torch.stack([2 * channel, 2 * channel + 1], -1)
    return read(maps, image[..., None], pair, cell[..., None])


def sample(
    maps: Maps,
    image: Tensor,
    keypoint: Tensor,
    points: Tensor,
    pitch: Tensor,
    edges_from: Tensor,
    edge_ends: Tensor,
    threshold: float,
) -> Samples:
    """Follow all offsets from candidates, refined by the short offsets where they end.

    Offsets are read at the nearest cell and start from that cell's position, so that maps of any
    size are read without blending two people's offsets where their disks meet.

    Args:
        maps (dict[str, Tensor]): (B, C, h, w) each, contiguous.
        image (Tensor): (P,) int64.
        keypoint (Tensor): (P,) int64.
        points (Tensor): (P, 2) in input pixels.
        pitch (Tensor): (2,) input pixels from cell to cell, on the maps' device.
        edges_from (Tensor): (K, X), the directed edges from each keypoint, padded with -1.
        edge_ends (Tensor): (D,), the keypoint at each directed edge's end.
        threshold (float): An end moves by the short offset there if the heatmap reaches this.
    """
    h, w = maps['heatmaps'].shape[-2:]
    size = (w, h)
    cell, here = nearest_cells(points, size, pitch)
    edges = edges_from[keypoint]
    exists = edges >= 0
    edges = edges.clamp(min=0)
    everyone = torch.arange(len(edges_from), device=points.device).expand(len(points), -1)
    cells, images = cell[:, None], image[:, None]
    mid = read_offsets(maps['mid_offsets'], images, edges, cells)
    far = read_offsets(maps['long_offsets'], images, everyone, cells)
    exists &= mid.square().sum(-1) >= LEAST_OFFSET**2
    known = far.square().sum(-1) >= LEAST_OFFSET**2
    known |= everyone == keypoint[:, None]
    # refine mid and long offsets alike, as in training
    kinds = torch.cat([edge_ends[edges], everyone], 1)
    ends = here[:, None] + torch.cat([mid, far], 1)
    for _ in range(REFINE_STEPS):
        end_cell, position = nearest_cells(ends, size, pitch)
        strong = read(maps['heatmaps'], images, kinds, end_cell) >= threshold
        moved = position + read_offsets(maps['short_offsets'], images, kinds, end_cell)
        ends = torch.where(strong[..., None], moved, ends)
    slots = edges.shape[1]
    ends, far = ends[:, :slots], ends[:, slots:]
    end_cell, _ = nearest_cells(ends, size, pitch)
    end_scores = read(maps['heatmaps'], images, kinds[:, :slots], end_cell) * exists
    around = torch.tensor([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], device=points.device)
    body_cell, _ = nearest_cells(points[:, None] + BODY_REACH * around, size, pitch)
    body = read(maps['body_heatmaps'], images, torch.zeros_like(body_cell), body_cell).amax(1)
    return Samples(ends, end_scores, far, body, exists, known)
