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

    The window's maximum is that of shifted windows of half its size, one axis after the other. On a
    CPU this is ten times as fast as ``max_pool2d``.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        kernel (int): The window's edge in cells, odd.

    Returns:
        Tensor: (B, C, h, w), 1 at these cells and 0 elsewhere, in the heatmaps' type. (On a CPU,
        booleans take five times as long.)
    """
    reach = kernel // 2
    highest = pad(heatmaps, (reach,) * 4, value=-torch.inf)
    for dim in (-1, -2):
        edge = 1
        while edge < kernel:
            shift = min(edge, kernel - edge)
            size = highest.shape[dim] - shift
            highest = torch.maximum(highest.narrow(dim, 0, size), highest.narrow(dim, shift, size))
            edge += shift
    return highest.eq_(heatmaps)


def top_peaks(heatmaps: Tensor, tags: Tensor, number: int, kernel: int) -> Tensor:
    """Take the highest local maxima of each map, and the tags at these places.

    Args:
        heatmaps (Tensor): (B, C, h, w).
        tags (Tensor): (B, T * C, h, w), the tags of T passes one after another.
        number (int): Number of peaks per map (at most its cells).
        kernel (int): See :func:`local_maxima`. Of equal cells in a window, only the first counts.

    Returns:
        Tensor: (B, C, k, 2 + T): the peaks' heatmap values in descending order (0 where there are
        no further peaks), their cells y * w + x, and their tags.
    """
    scores, cells = _highest(heatmaps * local_maxima(heatmaps, kernel), number)
    scores, cells = _first_of_equals(scores, cells, heatmaps.shape[3], kernel // 2)
    passes = tags.flatten(2).split(heatmaps.shape[1], 1)
    return torch.stack([scores, cells.to(scores.dtype), *(t.gather(2, cells) for t in passes)], -1)


def _highest(values: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Return the k highest values of maps (B, C, h, w), in descending order, and their cells.

    Both are (B, C, k). The values lie in the k rows with the highest maxima; searching only these
    takes a CPU half the time.
    """
    batch, channels, h, w = values.shape
    if 2 * number > h:
        highest: tuple[Tensor, Tensor] = values.flatten(2).topk(min(number, h * w))
        return highest
    rows = values.amax(3).topk(number).indices
    first_rows = torch.arange(0, batch * channels * h, h, device=values.device)
    chosen = (first_rows.view(batch, channels, 1) + rows).flatten()
    some = values.reshape(-1, w).index_select(0, chosen).view(batch, channels, -1)
    scores, places = some.topk(number)
    return scores, rows.gather(2, places.div(w, rounding_mode='floor')) * w + places % w


def _first_of_equals(
    scores: Tensor, cells: Tensor, width: int, reach: int
) -> tuple[Tensor, Tensor]:
    """Set peaks (B, C, k) to 0 that equal one before them in reading order, within reach cells.

    Otherwise a peak halfway between cells, or one rounded to half precision, counts several times.
    """
    y, x = cells.div(width, rounding_mode='floor'), cells % width
    equal = scores[..., None] == scores[..., None, :]
    near = ((y[..., None] - y[..., None, :]).abs() <= reach) & (
        (x[..., None] - x[..., None, :]).abs() <= reach
    )
    later = cells[..., None] > cells[..., None, :]
    scores, order = (scores * ~(equal & near & later).any(-1)).sort(
        dim=-1, descending=True, stable=True
    )
    return scores, cells.gather(-1, order)


def best_cells(
    heatmaps: Tensor, tags: Tensor, maps: Tensor, wanted: Tensor, unit: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the cell where a missing keypoint is most likely, as associative embedding does.

    This is the cell with the smallest ``round(|tag - wanted| / unit) * 100 - heatmap``.

    Args:
        heatmaps (Tensor): (M, h, w).
        tags (Tensor): (T, M, h, w), of T passes.
        maps (Tensor): (P,) int64, the map to search for each keypoint.
        wanted (Tensor): (P, T), the tags of each keypoint.
        unit (Tensor): (P,), the tag difference that counts as one.

    Returns:
        tuple: cells (P,) int64, y * w + x, the heatmap there (P,), and the rounded difference of
        tags there (P,).
    """
    h, w = heatmaps.shape[1:]
    budget = CELLS_ON_CPU if heatmaps.device.type == 'cpu' else CELLS_ON_GPU
    found, best = [], []
    rows = min(len(maps), max(1, budget // (len(tags) * h * w)))
    some_tags, some_heatmaps = tags.new_empty(len(tags), rows, h, w), tags.new_empty(rows, h, w)
    for chosen, tag, one in zip_equal(*(v.split(rows) for v in (maps, wanted, unit))):
        # into the same memory each time: new memory costs a CPU as much as the search
        each = torch.index_select(tags, 1, chosen, out=some_tags[:, : len(chosen)])
        likely = torch.index_select(heatmaps, 0, chosen, out=some_heatmaps[: len(chosen)])
        difference = _rms(each.sub_(tag.T[..., None, None])).div_(one[:, None, None]).round_()
        likely.sub_(difference, alpha=100)
        # the highest row, then its highest cell: on a CPU a third of the time of a full argmax
        highest, row = likely.amax(2).max(1)
        inside = likely[torch.arange(len(row), device=row.device), row].argmax(1)
        found.append(row * w + inside)
        best.append(highest)
    cells = torch.cat(found)
    scores = heatmaps.flatten(1)[maps, cells]
    return cells, scores, (scores - torch.cat(best)).div_(100).round_()


def _rms(differences: Tensor) -> Tensor:
    """Return the root mean square over the passes (first dimension); overwrite differences."""
    if len(differences) == 1:
        return differences[0].abs_()
    return differences.square_().mean(0).sqrt_()
