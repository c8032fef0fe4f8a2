# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Painter of full-resolution heatmaps (FR-SBN)."""

from __future__ import annotations

from .canvas import Frame, palette
from .contact_sheet import Tile
from .painters import Scene, paints, relative


@paints('FullResolutionHeatmap')
def paint(scene: Scene) -> list[Tile]:
    """Draw the heatmaps, one cell per pixel, and the keypoints that the codec finds in them."""
    heatmaps = scene.maps['heatmaps']
    colors = palette(len(heatmaps))
    canvas = scene.canvas()
    canvas.blend(relative(heatmaps), Frame((1.0, 1.0)), colors)
    keypoints, scores = scene.codec.decode(dict(heatmaps=heatmaps))
    canvas.dots(keypoints[0][scores[0] > 0], (255, 255, 255), 1.5)
    size = f'{heatmaps.shape[2]}x{heatmaps.shape[1]}'
    return [Tile(f'heatmaps, {size} cells; decoded: white', canvas.picture)]
