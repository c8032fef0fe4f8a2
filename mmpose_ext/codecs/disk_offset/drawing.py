# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw StrongPose's disks and offsets, for all keypoints of a batch at once.

Shapes depend only on sizes, never on values, so that drawing does not wait for the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmpose_ext.utils.sequences import zip_equal


def disk_window(size: tuple[int, int], pitch: Tensor, radius: float) -> Tensor:
    """Return the cells (S, 2) int64, [x, y], of a square that holds any disk, on the CPU.

    Args:
        size (tuple[int, int]): Size of the maps in cells, [w, h].
        pitch (Tensor): (2,) float32 on the CPU, input pixels from cell to cell along x and y.
        radius (float): Radius of the disks in input pixels.
    """
    across = [min(int(2 * radius / step) + 1, n) for step, n in zip_equal(pitch.tolist(), size)]
    ticks = [torch.arange(n) for n in across]
    return torch.stack(torch.meshgrid(*ticks, indexing='xy'), -1).view(-1, 2)


class Disks(NamedTuple):
    """The S cells of the square around each keypoint, (B, N, K, S)."""

    cell: Tensor  #: int64, y * w + x
    own: Tensor  #: bool, whether the cell is in the disk and no other person's keypoint is nearer
    position: Tensor  #: (B, N, K, S, 2) float32 in input pixels


def draw_disks(
    points: Tensor,
    labeled: Tensor,
    size: tuple[int, int],
    pitch: Tensor,
    radius: float,
    window: Tensor,
) -> Disks:
    """Find the cells within a radius of labeled keypoints, and each cell's nearest person.

    Only the cells in a square around each keypoint are looked at. Of two people of equal distance
    the first one has the cell.

    Args:
        points (Tensor): (B, N, K, 2) float32 in input pixels; N is at least 1.
        labeled (Tensor): (B, N, K) bool.
        size (tuple[int, int]): Of the maps in cells, [w, h].
        pitch (Tensor): (2,) float32, input pixels from cell to cell along x and y.
        radius (float): In input pixels.
        window (Tensor): (S, 2), see :func:`disk_window`.

    Returns:
        Disks: Of each keypoint. Cells beyond the maps stand for cells on their border and are
        nobody's.
    """
    w, h = size
    num_images, num_people, num_keypoints = labeled.shape
    device = points.device
    first = ((points - radius) / pitch).ceil().long().clamp(min=0)
    cells = first[..., None, :] + window  # (B, N, K, S, 2)
    position = cells * pitch
    distance = (position - points[..., None, :]).square_().sum(-1)
    x, y = cells.unbind(-1)
    inside = (distance <= radius**2) & (x < w) & (y < h) & labeled[..., None]
    cell = y.clamp_(max=h - 1) * w + x.clamp_(max=w - 1)

    # Non-negative floats are ordered like their bits: the nearest wins, then the first.
    person = torch.arange(num_people, device=device)[:, None, None]
    nobody = torch.iinfo(torch.int64).max
    key = torch.where(inside, distance.view(torch.int32).long() << 32 | person, nobody)
    plane = torch.arange(num_images * num_keypoints, device=device).view(-1, 1, num_keypoints, 1)
    target = (plane * (h * w) + cell).flatten()
    best = torch.full((num_images * num_keypoints * h * w,), nobody, device=device)
    best.scatter_reduce_(0, target, key.flatten(), 'amin')
    return Disks(cell, (best[target].view_as(key) == key) & inside, position)


def put(maps: Tensor, cell: Tensor, values: Tensor, first: int = 0, step: int = 1) -> None:
    """Write values into blank maps; at most one value for a cell of a channel differs from 0.

    Args:
        maps (Tensor): (B, D, h, w).
        cell (Tensor): (B, N, C, S) int64, y * w + x.
        values (Tensor): (B, N, C, S), of N people for each of C channels.
        first (int): The first of these channels. Defaults to 0.
        step (int): The distance from one channel to the next. Defaults to 1.
    """
    batch, channels, h, w = maps.shape
    image = torch.arange(batch, device=maps.device)[:, None] * channels
    channel = first + step * torch.arange(cell.shape[2], device=maps.device)
    index = (image + channel)[:, None, :, None] * (h * w) + cell
    maps.view(-1).scatter_add_(0, index.flatten(), values.flatten())


def put_offsets(maps: Tensor, cell: Tensor, known: Tensor, ends: Tensor, position: Tensor) -> None:
    """Write the offsets from cells to the keypoints of their person into blank maps.

    Args:
        maps (Tensor): (B, 2C, h, w): x in channel 2 * c, y in 2 * c + 1.
        cell (Tensor): (B, N, C, S) int64, y * w + x.
        known (Tensor): (B, N, C, S) bool, for at most one person N in each cell of a channel.
        ends (Tensor): (B, N, C, 2) in input pixels.
        position (Tensor): (B, N, C, S, 2), the cells' positions in input pixels.
    """
    for axis in (0, 1):
        offsets = ends[..., None, axis] - position[..., axis]
        put(maps, cell, torch.where(known, offsets, 0.0), axis, 2)


def fill_offsets(maps: Tensor, known: Tensor, points: Tensor, person: Tensor, here: Tensor) -> None:
    """Write the offsets from all cells to people's keypoints, and 0 for unknown ones.

    Args:
        maps (Tensor): (B, 2C, h, w): x in channel 2 * c, y in 2 * c + 1.
        known (Tensor): (B, C, h * w) bool.
        points (Tensor): (B, N, C, 2) in input pixels, a keypoint of each person for each channel.
        person (Tensor): (B, C, h * w) int64, the person to whose keypoint each cell points.
        here (Tensor): (2, h * w), the cells' positions in input pixels.
    """
    offsets = maps.view(*known.shape[:2], 2, -1)
    for axis in (0, 1):
        ends = points[..., axis].transpose(1, 2).gather(-1, person)
        offsets[:, :, axis] = torch.where(known, ends - here[axis], 0.0)
