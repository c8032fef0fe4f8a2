# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw StrongPose's disks and offsets, for all keypoints of a batch at once.

Shapes depend only on sizes, never on values, so that drawing does not wait for the device.
"""

from __future__ import annotations

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


def draw_disks(
    points: Tensor,
    labelled: Tensor,
    size: tuple[int, int],
    pitch: Tensor,
    radius: float,
    window: Tensor,
) -> tuple[Tensor, Tensor]:
    """Find the cells within a radius of labelled keypoints, and each cell's nearest person.

    The function searches only a square of cells around each keypoint. If two people are equally
    near, the cell belongs to the first.

    Args:
        points (Tensor): (B, N, K, 2) float32 in input pixels; N is at least 1.
        labelled (Tensor): (B, N, K) bool.
        size (tuple[int, int]): Size of the maps in cells, [w, h].
        pitch (Tensor): (2,) float32, input pixels from cell to cell along x and y.
        radius (float): Radius of the disks in input pixels.
        window (Tensor): (S, 2), see :func:`disk_window`.

    Returns:
        tuple: (B, K, h * w) bool, the cells in disks of each keypoint, and (B, K, h * w) int64, the
        person whose keypoint is nearest; 0 outside the disks.
    """
    w, h = size
    num_images, num_people, num_keypoints = labelled.shape
    device = points.device
    first = ((points - radius) / pitch).ceil().long().clamp(min=0)
    cells = first[..., None, :] + window  # (B, N, K, S, 2)
    distance = (cells * pitch - points[..., None, :]).square_().sum(-1)
    x, y = cells.unbind(-1)
    inside = (distance <= radius**2) & (x < w) & (y < h) & labelled[..., None]

    # Non-negative floats have the order of their bits: the nearest person wins, then the first.
    person = torch.arange(num_people, device=device)[:, None, None]
    key = distance.view(torch.int32).long() << 32 | person
    plane = torch.arange(num_images * num_keypoints, device=device).view(-1, 1, num_keypoints, 1)
    last = num_images * num_keypoints * h * w  # stands for all cells that are in no disk
    target = torch.where(inside, (plane * h + y) * w + x, last)
    nobody = torch.iinfo(torch.int64).max
    best = torch.full((last + 1,), nobody, device=device)
    best.scatter_reduce_(0, target.flatten(), key.flatten(), 'amin')
    best = best[:last].view(num_images, num_keypoints, h * w)
    is_disk = best != nobody
    return is_disk, torch.where(is_disk, best & 0xFFFFFFFF, 0)


def cell_positions(size: tuple[int, int], pitch: Tensor) -> Tensor:
    """Return the positions (2, h * w) of all cells in input pixels, x before y, on the CPU."""
    x, y = (torch.arange(n) * step for n, step in zip_equal(size, pitch.tolist()))
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))]).flatten(1)


def put_offsets(maps: Tensor, known: Tensor, points: Tensor, person: Tensor, here: Tensor) -> None:
    """Write the offsets from cells to people's keypoints, and 0 for unknown ones.

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
