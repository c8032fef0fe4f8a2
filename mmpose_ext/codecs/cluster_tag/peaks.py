# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Peaks of multi-peak heatmaps, found on the model's device (Section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmpose_ext.utils.sequences import zip_equal

#: Number of cells searched at once: what fits a CPU's cache, and what keeps a GPU busy.
CELLS_ON_CPU = 2**16
CELLS_ON_GPU = 2**25


def local_maxima(heatmaps: Tensor, kernel: int) -> Tensor:
    """Find the cells that no cell in the square window around them exceeds.

    The window's maximum is computed from shifted copies, one axis after the other. On a CPU this is
    ten times as fast as ``max_pool2d``.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        kernel (int): The window's edge in cells, odd.

    Returns:
        Tensor: (B, C, h, w) bool.
    """
    reach = kernel // 2
    highest = pad(heatmaps, (reach,) * 4, value=-torch.inf)
    for dim in (-1, -2):
        size = heatmaps.shape[dim]
        window = highest
        highest = window.narrow(dim, 0, size)
        for shift in range(1, kernel):
            highest = torch.maximum(highest, window.narrow(dim, shift, size))
    return heatmaps == highest


def top_peaks(heatmaps: Tensor, tags: Tensor, number: int, kernel: int) -> Tensor:
    """Take the highest local maxima of each map, and the tags at these places.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        tags (Tensor): (B, T * C, h, w), the tags of T passes one after another.
        number (int): Number of peaks per map (at most its cells).
        kernel (int): See :func:`local_maxima`.

    Returns:
        Tensor: (B, C, k, 2 + T): the peaks' heatmap values in descending order (0 where there are
        no further peaks), their cells y * w + x, and their tags.
    """
    peaks = (heatmaps * local_maxima(heatmaps, kernel)).flatten(2)
    scores, cells = peaks.topk(min(number, peaks.shape[2]))
    passes = tags.shape[1] // heatmaps.shape[1]
    read = tags.flatten(2).gather(2, cells.repeat(1, passes, 1))
    read = read.unflatten(1, (passes, -1)).movedim(1, -1)
    return torch.cat([torch.stack([scores, cells.to(scores.dtype)], -1), read], -1)


def refine_cells(
    heatmaps: Tensor,
    tags: Tensor,
    maps: Tensor,
    cells: Tensor,
    tolerance: Tensor,
    sigma: float,
) -> Tensor:
    """Find the top of the Gaussian in a keypoint's cell.

    Along each axis a parabola is fitted through the logarithms of the cell and of its two
    neighbours, which is exact for a Gaussian. A neighbour whose tag differs belongs to another
    keypoint's Gaussian (or lies outside the map). In this case the other neighbour and sigma give
    the top. The result is the cell's centre if neither neighbour can be used, if the cell is not a
    maximum between its two neighbours, or if it is not positive.

    Args:
        heatmaps (Tensor): (M, h, w).
        tags (Tensor): (T, M, h, w), of T passes.
        maps (Tensor): (P,) int64, the map of each keypoint.
        cells (Tensor): (P,) int64, y * w + x.
        tolerance (Tensor): (P,), largest difference at which a neighbour's tag counts as the same.
        sigma (float): Standard deviation of the Gaussians in cells.

    Returns:
        Tensor: (P, 2) float32 [x, y] in cells, up to half a cell from the centre, or up to one cell
        if only one neighbour can be used.
    """
    h, w = heatmaps.shape[-2:]
    xy = torch.stack([cells % w, cells.div(w, rounding_mode='floor')], -1)
    size = torch.tensor([w, h], device=cells.device)
    # (3, P, 2 axes): one step back, the cell, one step on
    steps = torch.tensor([[-1, -w], [0, 0], [1, w]], device=cells.device)[:, None]
    inside = torch.stack([xy > 0, torch.ones_like(xy, dtype=torch.bool), xy < size - 1])
    index = (maps * (h * w) + cells)[:, None] + steps * inside
    values, around = heatmaps.flatten()[index], tags.flatten(1)[:, index]
    floor = torch.finfo(values.dtype).tiny
    own = inside & (_rms(around - around[:, 1:2]) <= tolerance[:, None]) & (values > floor)
    before, centre, after = values.clamp(min=floor).log_()
    fall_before, fall_after = centre - before, centre - after
    bend = fall_before + fall_after
    shift = (fall_before - fall_after) * 0.5 / bend.clamp(min=1e-6)
    is_top = (fall_before >= 0) & (fall_after >= 0) & (bend > 1e-6)
    shift = torch.where(is_top, shift.clamp_(-0.5, 0.5), 0.0)
    shift = torch.where(own[0], shift, 0.5 - sigma**2 * fall_after)
    shift = torch.where(own[2], shift, sigma**2 * fall_before - 0.5)
    helps = own[1] & (own[0] | own[2])
    return xy + torch.where(helps, shift.clamp_(-1, 1), 0.0)


def best_cells(
    heatmaps: Tensor, tags: Tensor, maps: Tensor, wanted: Tensor, unit: Tensor
) -> tuple[Tensor, Tensor]:
    """Find the cell where a missing keypoint is most likely, as associative embedding does.

    This is the cell with the smallest ``round(|tag - wanted| / unit) * 100 - heatmap``.

    Args:
        heatmaps (Tensor): (M, h, w).
        tags (Tensor): (T, M, h, w), of T passes.
        maps (Tensor): (P,) int64, the map to search for each keypoint.
        wanted (Tensor): (P, T), the tags of each keypoint.
        unit (Tensor): (P,), the tag difference that counts as one.

    Returns:
        tuple: cells (P,) int64, y * w + x, and the heatmap there (P,).
    """
    h, w = heatmaps.shape[1:]
    budget = CELLS_ON_CPU if heatmaps.device.type == 'cpu' else CELLS_ON_GPU
    found = []
    rows = max(1, budget // (len(tags) * h * w))
    for chosen, tag, one in zip_equal(*(v.split(rows) for v in (maps, wanted, unit))):
        each = tags.index_select(1, chosen).sub_(tag.T[..., None, None])
        difference = _rms(each).div_(one[:, None, None]).round_()
        likely = heatmaps.index_select(0, chosen).sub_(difference, alpha=100)
        # the highest row, then its highest cell: on a CPU a third of the time of a full argmax
        row = likely.amax(2).argmax(1)
        inside = likely[torch.arange(len(row), device=row.device), row].argmax(1)
        found.append(row * w + inside)
    cells = torch.cat(found)
    return cells, heatmaps.flatten(1)[maps, cells]


def _rms(differences: Tensor) -> Tensor:
    """Root mean square over the first dimension, the passes; the differences are overwritten."""
    if len(differences) == 1:
        return differences[0].abs_()
    return differences.square_().mean(0).sqrt_()
