# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Correct offsets by the short offsets of the keypoint that they point to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


def refine_offsets(
    offsets: Tensor,
    short_offsets: Tensor,
    ends: Tensor | Sequence[int],
    input_size: Sequence[int],
    steps: int,
) -> Tensor:
    """Correct offset fields by the short offsets at the position that they point to.

    StrongPose adopts this from PersonLab (Papandreou et al., ECCV 2018, Section 3.2). An offset o
    from position p becomes o + S(p + o), ``steps`` times, where S are the short offsets of the
    keypoint that it points to, interpolated bilinearly. The result is differentiable in both
    fields.

    Frame: the corner pixels of the input lie on the corner cells of the maps (``align_corners``).
    Outside the input, S is its value at the border.

    Args:
        offsets (Tensor): (B, 2D, h, w) in input pixels, x before y: mid or long offsets.
        short_offsets (Tensor): (B, 2K, h, w) in input pixels.
        ends (Tensor | Sequence[int]): (D,) keypoint that each offset points to; a tensor on the
            maps' device is not copied.
        input_size (Sequence[int]): [w, h] of the input in pixels.
        steps (int): Number of corrections; in a model the codec's ``refine_steps``.

    Returns:
        Tensor: (B, 2D, h, w).

    Raises:
        ValueError: If the channels do not fit ``ends``, or the maps differ in size.
    """
    batch, channels, height, width = offsets.shape
    if channels != 2 * len(ends) or short_offsets.shape[-2:] != offsets.shape[-2:]:
        raise ValueError(
            f'refine_offsets: {channels} channels of {width}x{height} cells for {len(ends)} ends, '
            f'and short offsets of {short_offsets.shape[-1]}x{short_offsets.shape[-2]} cells: give '
            'two channels per end, and maps of one size.'
        )
    if not steps:
        return offsets
    ends = torch.as_tensor(ends, device=offsets.device)
    short = short_offsets.unflatten(1, (-1, 2)).index_select(1, ends).flatten(0, 1)
    # From pixels to grid_sample's range of -1 to 1 over the input, for maps of any size.
    unit_x, unit_y = (2 / max(side - 1, 1) for side in input_size)
    fields = offsets.unflatten(1, (-1, 2)).flatten(0, 1)
    x = torch.linspace(-1, 1, width, dtype=offsets.dtype, device=offsets.device)
    y = torch.linspace(-1, 1, height, dtype=offsets.dtype, device=offsets.device)[:, None]
    for _ in range(steps):
        grid = torch.stack([x + fields[:, 0] * unit_x, y + fields[:, 1] * unit_y], -1)
        fields = fields + grid_sample(short, grid, padding_mode='border', align_corners=True)
    return fields.view(batch, channels, height, width)
