# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Follow the offsets of StrongPose's maps from points, on the maps' device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmpose_ext.utils.maps import Maps

from .cells import cell_pitch, nearest_cells, read, read_offsets
from .kinematic_graph import directed_edges, edges_from
from .settings import BODY_REACH, LEAST_OFFSET, DiskOffsetSettings
from .voting import Peaks


class Samples(NamedTuple):
    """Predictions of P candidates; X is the largest number of edges that start at a keypoint."""

    ends: Tensor  #: (P, X, 2), the ends of the candidate's edges, in input pixels
    end_scores: Tensor  #: (P, X), the keypoint heatmaps at these ends
    far: Tensor  #: (P, K, 2), the ends of the long offsets, in input pixels
    body: Tensor  #: (P,), the maximum of the body heatmap nearby
    exists: Tensor  #: (P, X) bool, whether the edge leads anywhere
    known: Tensor  #: (P, K) bool, whether the long offset leads anywhere


class EdgeTable(NamedTuple):
    """The directed edges of the kinematic graph, on the maps' device."""

    outgoing: Tensor  #: (K, X) int64, the edges that start at each keypoint, padded with -1
    ends: Tensor  #: (D,) int64, the keypoint at each edge's end

    @classmethod
    def of(cls, settings: DiskOffsetSettings, device: torch.device) -> EdgeTable:
        """Build the table of the settings' graph."""
        outgoing = edges_from(settings.edges, settings.num_keypoints)
        ends = [end for _, end in directed_edges(settings.edges)]
        return cls(torch.tensor(outgoing).to(device), torch.tensor(ends).to(device))


def sample(maps: Maps, peaks: Peaks, edges: EdgeTable, settings: DiskOffsetSettings) -> Samples:
    """Follow all offsets from candidates, refined by the short offsets where they end.

    Offsets are read at the nearest cell and start from that cell's position, so that maps of any
    size are read without blending two people's offsets where their disks meet. An end moves by the
    short offset there, ``refine_steps`` times as in training, if the heatmap there reaches
    ``vote_threshold``.

    Args:
        maps (dict[str, Tensor]): (B, C, h, w) each, contiguous.
        peaks (Peaks): P candidates.
        edges (EdgeTable): The directed edges.
        settings (DiskOffsetSettings): The settings.
    """
    h, w = maps['heatmaps'].shape[-2:]
    size, device = (w, h), peaks.position.device
    pitch = cell_pitch(settings.input_size, size).to(device)
    image = peaks.plane.div(settings.num_keypoints, rounding_mode='floor')
    keypoint = peaks.plane - image * settings.num_keypoints
    cell, here = nearest_cells(peaks.position, size, pitch)
    slots = edges.outgoing[keypoint]
    exists = slots >= 0
    slots = slots.clamp(min=0)
    everyone = torch.arange(settings.num_keypoints, device=device).expand(len(image), -1)
    cells, images = cell[:, None], image[:, None]
    mid = read_offsets(maps['mid_offsets'], images, slots, cells)
    far = read_offsets(maps['long_offsets'], images, everyone, cells)
    exists &= mid.square().sum(-1) >= LEAST_OFFSET**2
    known = far.square().sum(-1) >= LEAST_OFFSET**2
    known |= everyone == keypoint[:, None]
    # refine mid and long offsets alike, as in training
    kinds = torch.cat([edges.ends[slots], everyone], 1)
    ends = here[:, None] + torch.cat([mid, far], 1)
    for _ in range(settings.refine_steps):
        end_cell, position = nearest_cells(ends, size, pitch)
        strong = read(maps['heatmaps'], images, kinds, end_cell) >= settings.vote_threshold
        moved = position + read_offsets(maps['short_offsets'], images, kinds, end_cell)
        ends = torch.where(strong[..., None], moved, ends)
    number = slots.shape[1]
    ends, far = ends[:, :number], ends[:, number:]
    end_cell, _ = nearest_cells(ends, size, pitch)
    end_scores = read(maps['heatmaps'], images, kinds[:, :number], end_cell) * exists
    around = torch.tensor([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], device=device)
    body_cell, _ = nearest_cells(peaks.position[:, None] + BODY_REACH * around, size, pitch)
    body = read(maps['body_heatmaps'], images, torch.zeros_like(body_cell), body_cell).amax(1)
    return Samples(ends, end_scores, far, body, exists, known)
