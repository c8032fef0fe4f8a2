# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Painter of disks, offsets and body maps (StrongPose)."""

from __future__ import annotations

import numpy as np

from .canvas import Frame, palette
from .contact_sheet import Tile
from .painters import Scene, paints

#: Arrows start this many picture pixels apart, or a disk's radius if that is less.
SPACING = {'short_offsets': 6, 'mid_offsets': 14, 'long_offsets': 10}


@paints('DiskOffset')
def paint(scene: Scene) -> list[Tile]:
    """Draw the disks, the three kinds of offsets, the body map and the cells without loss."""
    return [
        tile
        for name, painter in (
            ('heatmaps', _paint_disks),
            ('short_offsets', _paint_short),
            ('mid_offsets', _paint_mid),
            ('long_offsets', _paint_long),
            ('body_heatmaps', _paint_body),
        )
        if name in scene.maps
        for tile in painter(scene, scene.maps[name])
    ]


def _paint_disks(scene: Scene, heatmaps: np.ndarray) -> list[Tile]:
    canvas = scene.canvas()
    canvas.blend(heatmaps, _frame(scene, heatmaps), palette(len(heatmaps)), smooth=False)
    return [Tile(f'disks, {heatmaps.shape[2]}x{heatmaps.shape[1]} cells', canvas.picture)]


def _paint_short(scene: Scene, offsets: np.ndarray) -> list[Tile]:
    canvas = scene.canvas()
    inside = scene.maps['heatmaps'] > 0.5
    for k, color in enumerate(palette(len(inside))):
        canvas.arrows(*_arrows(scene, offsets, k, inside[k], 'short_offsets'), color)
    return [Tile('short offsets', canvas.picture)]


def _paint_mid(scene: Scene, offsets: np.ndarray) -> list[Tile]:
    canvas = scene.canvas()
    inside = scene.maps['heatmaps'] > 0.5
    weights = scene.maps.get('mid_weights')
    edges = scene.codec.edges  # parent to child only; the reverse ones look alike
    for e, color in enumerate(palette(len(edges))):
        where = inside[edges[e][0]] if weights is None else weights[e] > 0
        canvas.arrows(*_arrows(scene, offsets, e, where, 'mid_offsets'), color)
    return [Tile('mid offsets, parent to child', canvas.picture)]


def _paint_long(scene: Scene, offsets: np.ndarray) -> list[Tile]:
    """Draw one keypoint's long offsets: those of the keypoint labeled in most body pixels."""
    canvas = scene.canvas()
    weights = scene.maps.get('long_weights')
    keypoint = 0
    if weights is not None:
        keypoint = int((weights > 0).sum((1, 2)).argmax())
        where = weights[keypoint] > 0
    else:
        where = scene.maps['body_heatmaps'][0] > 0.5
    canvas.arrows(*_arrows(scene, offsets, keypoint, where, 'long_offsets'), (90, 220, 255))
    return [Tile(f'long offsets to {scene.name(keypoint)}', canvas.picture)]


def _paint_body(scene: Scene, body: np.ndarray) -> list[Tile]:
    canvas = scene.canvas()
    canvas.blend(body, _frame(scene, body), np.array([[90, 220, 255]]), smooth=False)
    weights = scene.maps.get('loss_weights')
    if weights is None or weights.all():
        return [Tile('body map', canvas.picture)]
    without = (weights == 0) & (body <= 0.5)  # people without keypoints still train the body map
    canvas.blend(without, _frame(scene, weights), np.array([[60, 60, 230]]), smooth=False)
    return [Tile('body map; without loss: red', canvas.picture)]


def _arrows(
    scene: Scene, offsets: np.ndarray, index: int, where: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and ends (M, 2) in input pixels of offsets at some cells of a mask (h, w)."""
    frame = _frame(scene, offsets)
    spacing = min(SPACING[name] / scene.zoom, scene.codec.radius)
    step_x, step_y = (max(1, int(spacing / scale)) for scale in frame.scale)
    y, x = np.nonzero(where[::step_y, ::step_x])
    x, y = x * step_x, y * step_y
    starts = frame.pixels(np.stack([x, y], -1))
    return starts, starts + offsets[2 * index : 2 * index + 2, y, x].T


def _frame(scene: Scene, maps: np.ndarray) -> Frame:
    return Frame.of_corners(scene.codec.input_size, maps.shape[:0:-1])
