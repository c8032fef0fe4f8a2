# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The region around a person that a pipeline's augmentation can reach and a crop must hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from mmpose.datasets.transforms import (
    GetBBoxCenterScale,
    RandomBBoxTransform,
    RandomHalfBody,
    TopdownAffine,
)

#: Pixels added around the region for bilinear interpolation and the rounding of a flip.
MARGIN = 3


@dataclass(frozen=True)
class Reach:
    """The largest region around a person that a top-down pipeline can draw.

    Args:
        padding (float): Padding of the person's box. Defaults to 1.25.
        half_body_padding (float): Padding of the box of half a body; 0 without ``RandomHalfBody``.
            Defaults to 0.0.
        scale (float): Largest scale. Defaults to 1.0.
        shift (float): Largest shift, as a fraction of the box. Defaults to 0.0.
        rotation (float): Largest rotation, in degrees. Defaults to 0.0.
        narrowest (float): Smallest aspect ratio w / h of an input. Defaults to 1.0.
        widest (float): Largest aspect ratio w / h of an input. Defaults to 1.0.
    """

    padding: float = 1.25
    half_body_padding: float = 0.0
    scale: float = 1.0
    shift: float = 0.0
    rotation: float = 0.0
    narrowest: float = 1.0
    widest: float = 1.0

    def covers(self, other: Reach) -> bool:
        """Return whether this covers everything that ``other`` can draw."""
        return self.union(other) == self

    def union(self, other: Reach) -> Reach:
        """Return the smallest reach that covers both."""
        mine, others = asdict(self), asdict(other)
        both = {name: max(mine[name], others[name]) for name in mine}
        both['narrowest'] = min(self.narrowest, other.narrowest)
        return Reach(**both)


def reach_of(steps: Sequence[Any]) -> Reach:
    """Return the reach of a pipeline's transforms.

    Args:
        steps (Sequence): Built transforms, including a ``TopdownAffine``.

    Raises:
        ValueError: If there is none.
    """
    settings: dict[str, float] = dict(padding=1.0)
    for step in steps:
        if isinstance(step, GetBBoxCenterScale):
            settings['padding'] *= step.padding
            if 'half_body_padding' in settings:
                settings['half_body_padding'] *= step.padding
        elif isinstance(step, RandomHalfBody) and step.prob > 0:
            largest = max(settings.get('half_body_padding', 0.0), step.padding)
            settings['half_body_padding'] = largest
        elif isinstance(step, RandomBBoxTransform):
            scale = max(step.scale_factor) if step.scale_prob > 0 else 1.0
            shift = step.shift_factor if step.shift_prob > 0 else 0.0
            before = settings.get('scale', 1.0)
            settings['shift'] = settings.get('shift', 0.0) + before * shift
            settings['scale'] = before * max(scale, 1.0)
            settings['rotation'] = min(step.rotate_factor if step.rotate_prob > 0 else 0.0, 180.0)
        elif isinstance(step, TopdownAffine):
            ratio = step.input_size[0] / step.input_size[1]
            return Reach(narrowest=ratio, widest=ratio, **settings)
    raise ValueError('the pipeline has no TopdownAffine: only top-down samples can be packed')


def surroundings(info: Mapping[str, Any], reach: Reach) -> tuple[int, int, int, int]:
    """Return the image region that augmentations of a person can read, not clipped to the image.

    Args:
        info (Mapping): A person from ``get_data_info`` of a top-down data set: ``bbox`` (1, 4) in
            [x1, y1, x2, y2], or ``bbox_center`` and ``bbox_scale``; ``keypoints``,
            ``keypoints_visible``, ``upper_body_ids`` and ``lower_body_ids`` for half bodies.
        reach (Reach): The reach of the pipeline.

    Returns:
        tuple[int, int, int, int]: x1, y1, x2, y2 in pixels, the last two excluded.
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for center, scale in _boxes(info, reach):
        for ratio in {reach.narrowest, reach.widest}:
            half = _half_sides(scale * reach.scale, ratio, reach.rotation) + reach.shift * scale
            low, high = np.minimum(low, center - half), np.maximum(high, center + half)
    x1, y1 = np.floor(low).astype(int) - MARGIN
    x2, y2 = np.ceil(high).astype(int) + MARGIN + 1
    return int(x1), int(y1), int(x2), int(y2)


def _boxes(info: Mapping[str, Any], reach: Reach) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the centers and padded sizes [w, h] that the pipeline starts from."""
    if 'bbox_center' in info and 'bbox_scale' in info:
        boxes = [(info['bbox_center'][0], info['bbox_scale'][0] * reach.padding)]
    else:
        x1, y1, x2, y2 = np.asarray(info['bbox'], np.float64)[0]
        size = np.array([x2 - x1, y2 - y1])
        boxes = [(np.array([x1 + x2, y1 + y2]) / 2, size * reach.padding)]
    if reach.half_body_padding:
        visible = np.asarray(info['keypoints_visible'])[0]
        visible = visible[:, 0] if visible.ndim == 2 else visible
        for ids in (info['upper_body_ids'], info['lower_body_ids']):
            points = np.asarray(info['keypoints'])[0][[i for i in ids if visible[i] > 0]]
            if len(points):
                size = points.max(0) - points.min(0)
                boxes.append((points.mean(0)[:2], size[:2] * reach.half_body_padding))
    return boxes


def _half_sides(size: np.ndarray, ratio: float, rotation: float) -> np.ndarray:
    """Return half width and height of the area that a rotated box [w, h] of a ratio can cover."""
    w, h = max(size[0], size[1] * ratio), max(size[1], size[0] / ratio)
    limit = math.radians(rotation)

    def reached(along: float, across: float) -> float:
        angle = min(limit, math.atan2(across, along))
        return (along * math.cos(angle) + across * math.sin(angle)) / 2

    return np.array([reached(w, h), reached(h, w)])
