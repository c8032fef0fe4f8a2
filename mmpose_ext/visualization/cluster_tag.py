# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Painter of keypoint clusters and tags (Cluster-wise Learning Network)."""

from __future__ import annotations

import cv2
import numpy as np

from mmpose_ext.utils.sequences import zip_equal

from .canvas import Frame, palette
from .contact_sheet import Tile
from .painters import Scene, paints, relative

#: Tags are drawn where at least one cluster's heatmap is above this value.
TAG_THRESHOLD = 0.2


@paints('ClusterTag')
def paint(scene: Scene) -> list[Tile]:
    """Draw the clusters' heatmaps, and the keypoints that train tags or the predicted tags."""
    tiles = [_paint_heatmaps(scene, scene.maps['heatmaps'])]
    if 'keypoint_indices' in scene.labels:
        tiles.append(_paint_trained(scene, scene.maps['heatmaps']))
    if 'tags' in scene.maps:
        tiles.append(_paint_tags(scene, scene.maps['heatmaps'], scene.maps['tags']))
    return tiles


def _paint_heatmaps(scene: Scene, heatmaps: np.ndarray) -> Tile:
    canvas, frame = scene.canvas(), _frame(scene, heatmaps)
    canvas.blend(relative(heatmaps), frame, palette(len(heatmaps)))
    weights = scene.maps.get('heatmap_weights')
    caption = f'{len(heatmaps)} clusters, {heatmaps.shape[2]}x{heatmaps.shape[1]} cells'
    if weights is not None and not weights.all():
        canvas.blend(weights == 0, frame, np.array([[60, 60, 230]]), smooth=False)
        caption += '; without loss: red'
    return Tile(caption, canvas.picture)


def _paint_trained(scene: Scene, heatmaps: np.ndarray) -> Tile:
    """Draw the cells whose tags are trained, a color per person, linked within each cluster."""
    canvas = scene.canvas()
    indices = scene.labels['keypoint_indices']
    seen = scene.labels['keypoint_weights'] > 0
    width = heatmaps.shape[2]
    points = _frame(scene, heatmaps).pixels(np.stack([indices % width, indices // width], -1))
    people = np.nonzero(seen.any(1))[0]
    for n, color in zip_equal(people, palette(len(people))):
        for cluster in scene.codec.clusters:
            chain = points[n, [k for k in cluster if seen[n, k]]]
            canvas.lines(chain[:-1], chain[1:], color)
        canvas.dots(points[n, seen[n]], color, 3)
    return Tile(f'tags trained, {len(people)} people', canvas.picture)


def _paint_tags(scene: Scene, heatmaps: np.ndarray, tags: np.ndarray) -> Tile:
    """Draw the tag of the strongest cluster at each cell, from blue (low) to red (high)."""
    canvas = scene.canvas()
    best = heatmaps.argmax(0)[None]
    tag = np.take_along_axis(tags, best, 0)[0]
    shown = np.take_along_axis(heatmaps, best, 0)[0] > TAG_THRESHOLD
    if not shown.any():
        return Tile(f'tags: no heatmap above {TAG_THRESHOLD:g}', canvas.picture)
    low, high = float(tag[shown].min()), float(tag[shown].max())
    level = ((tag - low) / max(high - low, 1e-6) * 255).clip(0, 255).astype(np.uint8)
    levels = np.unique(level[shown])
    colors = cv2.applyColorMap(levels[None], cv2.COLORMAP_TURBO)[0].astype(float)
    masks = (level == levels[:, None, None]) & shown
    canvas.blend(masks, _frame(scene, tags), colors, smooth=False, opacity=0.9)
    return Tile(f'tags, {low:.2f} (blue) to {high:.2f} (red)', canvas.picture)


def _frame(scene: Scene, maps: np.ndarray) -> Frame:
    return Frame.of_centers(scene.input_size, maps.shape[:0:-1])
