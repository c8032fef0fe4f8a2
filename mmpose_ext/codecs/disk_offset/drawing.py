# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw disks of fixed radius and the offsets inside them, for all keypoints of a batch at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmpose_ext.utils.sequences import zip_equal


class Disks(NamedTuple):
    """The cells of all disks, each once: M cells, int64 indices (M,) each."""

    image: Tensor  #: index b of the image
    keypoint: Tensor  #: index k of the keypoint
    person: Tensor  #: index n of the person whose keypoint k is nearest
    cell: Tensor  #: y * w + x


def disk_window(size: tuple[int, int], pitch: Tensor, radius: float) -> Tensor:
    """List the cells of a square that holds any disk, on the CPU: (S, 2) int64, x before y.

    Args:
        size (tuple[int, int]): Of the maps in cells, [w, h].
        pitch (Tensor): (2,) float32 on the CPU, input pixels from cell to cell along x and y.
        radius (float): In input pixels.
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
) -> Disks:
    """List the cells within a radius of labelled keypoints; each is the nearest person's.

    Only the cells in a square around each keypoint are looked at. Of two people of equal distance
    the first one has the cell.

    Args:
        points (Tensor): (B, N, K, 2) float32 in input pixels.
        labelled (Tensor): (B, N, K) bool.
        size (tuple[int, int]): Of the maps in cells, [w, h].
        pitch (Tensor): (2,) float32, input pixels from cell to cell along x and y.
        radius (float): In input pixels.
        window (Tensor): (S, 2), see :func:`disk_window`.

    Returns:
        Disks: The cells in no particular order.
    """
    device = points.device
    w, h = size
    num_images, num_people, num_keypoints = labelled.shape
    image, person, keypoint = labelled.nonzero(as_tuple=True)
    centres = points[image, person, keypoint]
    first = ((centres - radius) / pitch).ceil().long().clamp(min=0)
    cells = first[:, None] + window
    distance = (cells * pitch - centres[:, None]).square_().sum(-1)
    inside = distance <= radius**2
    inside &= (cells[..., 0] < w) & (cells[..., 1] < h)
    disk, place = inside.nonzero(as_tuple=True)
    x, y = cells[disk, place].unbind(-1)
    cell = y * w + x
    image, person, keypoint = image[disk], person[disk], keypoint[disk]

    # Non-negative floats are ordered like their bits: the nearest wins, then the first.
    key = distance[disk, place].view(torch.int32).long() << 32 | person
    target = (image * num_keypoints + keypoint) * (h * w) + cell
    none = torch.iinfo(torch.int64).max
    best = torch.full((num_images * num_keypoints * h * w,), none, device=device)
    best.scatter_reduce_(0, target, key, 'amin')
    wins = (best[target] == key).nonzero().squeeze(1)
    return Disks(image[wins], keypoint[wins], person[wins], cell[wins])


def cell_positions(cell: Tensor, width: int, pitch: Tensor) -> Tensor:
    """Give the positions (M, 2) in input pixels of cells y * w + x (M,)."""
    x = cell % width
    y = cell.div(width, rounding_mode='floor')
    return torch.stack([x, y], -1) * pitch


def put(maps: Tensor, image: Tensor, channel: Tensor, cell: Tensor, values: Tensor | float) -> None:
    """Write values (M,) into contiguous maps (B, C, h, w) at images, channels and cells (M,)."""
    channels, h, w = maps.shape[1:]
    index = (image * channels + channel) * (h * w) + cell
    if isinstance(values, Tensor):
        maps.view(-1).scatter_(0, index, values)
    else:
        maps.view(-1).index_fill_(0, index, values)


def put_offsets(
    maps: Tensor, image: Tensor, channel: Tensor, cell: Tensor, offsets: Tensor
) -> None:
    """Write offsets (M, 2) into maps (B, 2C, h, w): x in channel 2 * c, y in 2 * c + 1."""
    put(maps, image, 2 * channel, cell, offsets[:, 0])
    put(maps, image, 2 * channel + 1, cell, offsets[:, 1])
