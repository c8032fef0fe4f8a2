# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Where the cells of StrongPose's maps lie in the input, and what maps hold there."""

from __future__ import annotations

import torch
from torch import Tensor

from mmpose_ext.utils.sequences import zip_equal


def cell_pitch(input_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return the input pixels from cell to cell (2,) for maps of size [w, h], on the CPU."""
    pixels, cells = torch.tensor(input_size), torch.tensor(size)
    return (pixels - 1).clamp(min=1) / (cells - 1).clamp(min=1)


def cell_positions(size: tuple[int, int], pitch: Tensor) -> Tensor:
    """Return the positions (2, h * w) of all cells in input pixels, x before y, on the CPU."""
    x, y = (torch.arange(n) * step for n, step in zip_equal(size, pitch.tolist()))
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))]).flatten(1)


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
