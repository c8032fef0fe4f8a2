# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Painters of mmpose's heatmap codecs."""

from __future__ import annotations

from collections.abc import Callable

from .canvas import Frame
from .contact_sheet import Tile
from .painters import Scene, paint_fields, paints


@paints('MSRAHeatmap', 'MegviiHeatmap')
def paint_from_corner(scene: Scene) -> list[Tile]:
    """Draw heatmaps whose cell i stands for input pixel i * stride."""
    return _paint(scene, lambda size, cells: Frame((size[0] / cells[0], size[1] / cells[1])))


@paints('UDPHeatmap', 'AssociativeEmbedding')
def paint_corner_to_corner(scene: Scene) -> list[Tile]:
    """Draw heatmaps whose first and last cells stand for the first and the last pixel."""
    return _paint(scene, Frame.of_corners)


def _paint(scene: Scene, frame_of: Callable[..., Frame]) -> list[Tile]:
    tiles: list[Tile] = []
    for name, maps in scene.maps.items():
        part = Scene(scene.image, scene.codec, {name: maps}, zoom=scene.zoom)
        tiles += paint_fields(part, frame_of(scene.input_size, maps.shape[:0:-1]))
    return tiles
