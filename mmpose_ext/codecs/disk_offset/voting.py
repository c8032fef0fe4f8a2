# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Hough votes of disk heatmaps and short offsets, and their local maxima (StrongPose, III-C)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mmpose_ext.utils.maps import Maps

from .cells import cell_pitch
from .settings import PAD, DiskOffsetSettings


class Votes(NamedTuple):
    """M votes: each position of a disk votes for the point that its short offset leads to."""

    plane: Tensor  #: (M,) int64, image * K + keypoint
    position: Tensor  #: (M, 2) float32 in input pixels
    weight: Tensor  #: (M,) float32; a whole disk's weights sum to the mean of its heatmap


class VoteMaps(NamedTuple):
    """Votes on a grid of ``step`` input pixels, with ``PAD`` empty cells around each plane."""

    raw: Tensor  #: (B * K, h, w) float32, the strong keypoint heatmaps before smoothing
    rows: Tensor  #: (R,) int64, ascending: the rows (of B * K * h) that smoothed votes reach
    step: float  #: input pixels from cell to cell


class Peaks(NamedTuple):
    """The P local maxima of the votes."""

    plane: Tensor  #: (P,) int64, image * K + keypoint
    position: Tensor  #: (P, 2) float32 in input pixels
    score: Tensor  #: (P,) float32 smoothed votes; 1 if a whole disk votes for a cell's center


def voting_skips(pitch: Tensor, spacing: float) -> tuple[int, int]:
    """Return n for x and for y; every n-th column and row votes, see :func:`cast_votes`."""
    skip_x, skip_y = (max(1, round(spacing / step)) for step in pitch.tolist())
    return skip_x, skip_y


def cast_votes(maps: Maps, settings: DiskOffsetSettings) -> Votes:
    """List the votes of all positions of a batch.

    Positions below ``vote_threshold`` do not vote. In maps that are finer than ``vote_spacing``,
    only every n-th row and column votes.

    Args:
        maps (dict[str, Tensor]): ``heatmaps`` (B, K, h, w) in [0, 1] and ``short_offsets``
            (B, 2K, h, w) in input pixels.
        settings (DiskOffsetSettings): The settings.
    """
    heatmaps = maps['heatmaps']
    h, w = heatmaps.shape[-2:]
    pitch = cell_pitch(settings.input_size, (w, h))
    skip_x, skip_y = voting_skips(pitch, settings.vote_spacing)
    sparse = heatmaps[..., ::skip_y, ::skip_x].contiguous()
    rows = sparse.shape[-2:]
    index = (sparse.view(-1) >= settings.vote_threshold).nonzero().squeeze(1)
    weight = sparse.view(-1)[index]
    plane = index.div(rows[0] * rows[1], rounding_mode='floor')
    cell = index - plane * (rows[0] * rows[1])
    y = cell.div(rows[1], rounding_mode='floor')
    x = (cell - y * rows[1]) * skip_x
    y = y * skip_y
    # channel 2k of image b is plane 2 * (b * K + k)
    source = 2 * plane * (h * w) + y * w + x
    offsets = maps['short_offsets'].contiguous().view(-1)
    step_x, step_y = pitch.tolist()
    position = torch.stack(
        [
            torch.add(offsets[source], x, alpha=step_x),
            torch.add(offsets[source + h * w], y, alpha=step_y),
        ],
        -1,
    )
    area = skip_x * skip_y * step_x * step_y / (math.pi * settings.radius**2)
    return Votes(plane, position, weight * area)


def accumulate(votes: Votes, planes: int, settings: DiskOffsetSettings) -> VoteMaps:
    """Distribute each vote bilinearly to four cells, and drop votes outside the image.

    Args:
        votes (Votes): M votes.
        planes (int): B * K.
        settings (DiskOffsetSettings): The settings, with the input's size and ``vote_step``.
    """
    step = settings.vote_step
    w, h = (math.ceil((n - 1) / step) + 1 + 2 * PAD for n in settings.input_size)
    device = votes.position.device
    maps = torch.zeros(planes * h * w, device=device)
    place = votes.position / step
    low = place.floor()
    part = place - low
    low = low.nan_to_num(-9.0, -9.0, -9.0).clamp(-9, max(w, h)).long() + PAD
    x, y = low.unbind(-1)
    inside = (x >= PAD - 1) & (y >= PAD - 1) & (x <= w - PAD - 1) & (y <= h - PAD - 1)
    inside = inside.nonzero().squeeze(1)
    index = ((votes.plane * h + y) * w + x)[inside]
    weight = votes.weight[inside]
    right, lower = part[inside].unbind(-1)
    upper_weight = weight * (1 - lower)
    lower_weight = weight * lower
    for corner, value in (
        (0, upper_weight * (1 - right)),
        (1, upper_weight * right),
        (w, lower_weight * (1 - right)),
        (w + 1, lower_weight * right),
    ):
        maps.scatter_add_(0, index + corner, value)
    # a vote lies in two rows, and smoothing adds one on each side; PAD keeps planes apart
    reached = torch.zeros(planes * h, dtype=torch.bool, device=device)
    row = index.div(w, rounding_mode='floor')
    for shift in (-1, 0, 1, 2):
        reached[row + shift] = True
    return VoteMaps(maps.view(planes, h, w), reached.nonzero().squeeze(1), step)


def find_peaks(maps: VoteMaps, threshold: float) -> Peaks:
    """Smooth the votes and find their local maxima in windows of 5 x 5 cells.

    The Gaussian is the binomial kernel [1, 2, 1] along x and y (sigma 0.7 cells). Together with
    the bilinear distribution, it smooths the votes by about 0.8 cells. Only the rows that votes
    reach are searched; the others are 0. The position of a maximum is the mean of the votes in
    3 x 3 cells, which is exact if all votes are for one point. Of equal neighbors, only the first
    counts.

    Args:
        maps (VoteMaps): The votes.
        threshold (float): Least score of a peak.
    """
    planes, h, w = maps.raw.shape
    raw, rows = maps.raw.view(-1, w), maps.rows
    smooth = raw.index_select(0, rows - 1).add_(raw.index_select(0, rows + 1))
    smooth.add_(raw.index_select(0, rows), alpha=2)
    # column c of the result is centered at column c + 1; the last row replaces all other rows
    pairs = smooth[:, 1:] + smooth[:, :-1]
    smooth = pairs.new_zeros(len(rows) + 1, w - 2)
    torch.add(pairs[:, 1:], pairs[:, :-1], out=smooth[:-1])
    place = torch.full((planes * h,), len(rows), device=rows.device)
    place[rows] = torch.arange(len(rows), device=rows.device)

    # the middle of [1, 2, 1] is 2, so a vote on a cell's center gives 4
    high = smooth[:-1] >= 4 * threshold
    high[:, :-1] &= smooth[:-1, 1:] <= smooth[:-1, :-1]
    high[:, 1:] &= smooth[:-1, 1:] >= smooth[:-1, :-1]
    row, column = high.nonzero().unbind(1)
    score = smooth[row, column]
    row = rows[row]
    neighbors = place[row[:, None] + torch.tensor([-1, 1], device=rows.device)]
    high = (smooth[neighbors, column[:, None]] <= score[:, None]).all(1).nonzero().squeeze(1)
    row, column, score = row[high], column[high], score[high]  # few are left
    ticks = torch.arange(-2, 3, device=rows.device)
    near = place[row[:, None] + ticks][:, :, None] * (w - 2)
    near = (near + (column[:, None] + ticks)[:, None]).flatten(1)
    around, own = smooth.view(-1)[near], score[:, None]
    later = torch.arange(25, device=rows.device) >= 12
    peak = ((around < own) | ((around == own) & later)).all(1).nonzero().squeeze(1)
    row, column, score = row[peak], column[peak] + 1, score[peak]

    mass = maps.raw.view(-1, w).unfold(0, 3, 1).unfold(1, 3, 1)[row - 1, column - 1]  # (P, 3, 3)
    total = mass.sum((1, 2)).clamp(min=1e-12)
    dx = (mass[:, :, 2] - mass[:, :, 0]).sum(1) / total
    dy = (mass[:, 2] - mass[:, 0]).sum(1) / total
    plane = row.div(h, rounding_mode='floor')
    position = torch.stack([column - PAD + dx, row - plane * h - PAD + dy], -1) * maps.step
    return Peaks(plane, position, score / 4)


def expected_oks(
    maps: Maps, plane: Tensor, position: Tensor, spread: Tensor, settings: DiskOffsetSettings
) -> Tensor:
    """Return the mean of exp(-d^2 / (2 spread^2)) over the votes of disks (Section III-D).

    This is the expected OKS of a keypoint if the normalized votes of the positions within R of it
    are the distribution of its true position (PersonLab's Expected-OKS; the paper gives no
    details). It uses the votes' own positions, not the cells in which they are counted.

    Args:
        maps (dict[str, Tensor]): ``heatmaps`` and ``short_offsets``, contiguous.
        plane (Tensor): (P,) image * K + keypoint.
        position (Tensor): (P, 2) in input pixels.
        spread (Tensor): (P,), the person's size times the keypoint's precision T_k, in input
            pixels.
        settings (DiskOffsetSettings): The settings of :func:`cast_votes`.

    Returns:
        Tensor: (P,) in [0, 1]; 0 without votes.
    """
    h, w = maps['heatmaps'].shape[-2:]
    device, radius = position.device, settings.radius
    pitch = cell_pitch(settings.input_size, (w, h))
    skips = voting_skips(pitch, settings.vote_spacing)
    steps = [skip * step for skip, step in zip(skips, pitch.tolist())]
    window = [torch.arange(-math.ceil(radius / s), math.ceil(radius / s) + 1) for s in steps]
    window = torch.stack(torch.meshgrid(*window, indexing='ij'), -1).view(-1, 2).to(device)
    step = torch.tensor(steps, device=device)
    cells = (position / step).round().long()[:, None] + window  # (P, S, 2)
    here = cells * step
    x, y = (cells * torch.tensor(skips, device=device)).unbind(-1)
    votes = (here - position[:, None]).square().sum(-1) <= radius**2
    votes &= (x >= 0) & (y >= 0) & (x < w) & (y < h)
    cell = torch.where(votes, y * w + x, 0)
    plane = plane[:, None]
    weight = maps['heatmaps'].view(-1)[plane * (h * w) + cell]
    weight = torch.where(votes & (weight >= settings.vote_threshold), weight, 0.0)
    # channel 2k of image b is plane 2 * (b * K + k)
    source = 2 * plane * (h * w) + cell
    offsets = maps['short_offsets'].view(-1)
    there = here + torch.stack([offsets[source], offsets[source + h * w]], -1)
    distance = (there - position[:, None]).square().sum(-1)
    kernel = (-0.5 * distance / spread.square()[:, None]).exp()
    inside = torch.where(weight > 0, weight * kernel, 0.0).sum(1)
    return inside / weight.sum(1).clamp(min=1e-12)
