# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Skeletons: the left side green, the right side blue, the middle yellow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .canvas import Canvas

COLORS = {'left': (80, 220, 60), 'right': (250, 130, 40), 'middle': (60, 200, 250)}  # BGR


@dataclass(frozen=True)
class Skeleton:
    """A data set's keypoints and the lines between them.

    Attributes:
        names (tuple[str, ...]): K keypoint names; ``left_`` and ``right_`` give the side.
        links (tuple[tuple[int, int], ...]): Pairs of indices, counted from 0.
    """

    names: tuple[str, ...]
    links: tuple[tuple[int, int], ...]

    @classmethod
    def from_category(cls, category: dict) -> Skeleton:
        """Build it from a COCO-format category, whose ``skeleton`` counts from 1."""
        links = tuple((a - 1, b - 1) for a, b in category.get('skeleton', ()))
        return cls(tuple(category['keypoints']), links)

    @classmethod
    def from_metainfo(cls, metainfo: dict) -> Skeleton:
        """Build it from a data set's ``metainfo`` as mmpose parses it."""
        names = metainfo['keypoint_id2name']
        links = tuple(tuple(link) for link in metainfo['skeleton_links'])
        return cls(tuple(names[k] for k in range(len(names))), links)

    def draw(self, canvas: Canvas, keypoints: np.ndarray, seen: np.ndarray, width: int = 2) -> None:
        """Draw one person.

        Args:
            canvas (Canvas): The canvas to draw on.
            keypoints (np.ndarray): (K, 2) in pixels of the image.
            seen (np.ndarray): (K,) bool, True for the keypoints to draw.
            width (int): Width of the lines in picture pixels. Defaults to 2.
        """
        for color, links in self._links_by_color():
            shown = np.array([link for link in links if seen[list(link)].all()], int).reshape(-1, 2)
            canvas.lines(keypoints[shown[:, 0]], keypoints[shown[:, 1]], color, width)
        sides = np.array([_side(name) for name in self.names])
        for side, color in COLORS.items():
            canvas.dots(keypoints[(sides == side) & seen], color, width + 1)

    def _links_by_color(self) -> list[tuple[Sequence[int], list]]:
        groups: dict[str, list] = {side: [] for side in COLORS}
        for a, b in self.links:
            groups[_side(self.names[a], self.names[b])].append((a, b))
        return [(COLORS[side], links) for side, links in groups.items()]


def _side(*names: str) -> str:
    """Return the side of the body that a keypoint or a link belongs to."""
    sides = {name.split('_')[0] for name in names}
    return sides.pop() if len(sides) == 1 and sides <= {'left', 'right'} else 'middle'
