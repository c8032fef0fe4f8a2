# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Painter of sparse heatmaps and short-distance offsets (CLNet)."""

from __future__ import annotations

import numpy as np

from .canvas import Frame, palette
from .contact_sheet import Tile
from .painters import Scene, paints


@paints('CompositeLocalization')
def paint(scene: Scene) -> list[Tile]:
    """Draw the heatmaps' cells, and an arrow for the offset of each cell at tau or above."""
    heatmaps, offsets = scene.maps['heatmaps'], scene.maps['offsets']
    frame = Frame.of_centers(scene.input_size, heatmaps.shape[:0:-1])
    colors = palette(len(heatmaps))
    tau, stride = scene.codec.tau, scene.codec.stride

    cells = scene.canvas()
    cells.blend(heatmaps, frame, colors, smooth=False)
    arrows = scene.canvas()
    arrows.blend(heatmaps >= tau, frame, colors, smooth=False, opacity=0.25)
    keypoint, y, x = np.nonzero(heatmaps >= tau)
    starts = frame.pixels(np.stack([x, y], -1))
    dy, dx = offsets.reshape(2, len(heatmaps), *heatmaps.shape[1:])[:, keypoint, y, x]
    ends = starts + np.stack([dx, dy], -1) * stride
    for k, color in enumerate(colors):
        arrows.arrows(starts[keypoint == k], ends[keypoint == k], color)
    ends_shown = ends[np.unique(keypoint, return_index=True)[1]]
    arrows.dots(ends_shown, (255, 255, 255), 1.5)
    size = f'{heatmaps.shape[2]}x{heatmaps.shape[1]}'
    return [
        Tile(f'sparse heatmaps, {size} cells', cells.picture),
        Tile(f'offsets where heatmap >= {tau:g}', arrows.picture),
    ]
