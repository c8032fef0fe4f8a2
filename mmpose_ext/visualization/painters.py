# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find the painter for a codec's maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, List

import numpy as np

from .canvas import Canvas, Frame, palette
from .contact_sheet import Tile

Painter = Callable[['Scene'], List[Tile]]
_PAINTERS: dict[str, Painter] = {}


@dataclass
class Scene:
    """One input of a network and the maps that belong to it, drawn by a codec or predicted.

    Attributes:
        image (np.ndarray): (H, W, 3) uint8, BGR, the network's input before normalization.
        codec (BaseKeypointCodec): The maps' codec.
        maps (dict[str, np.ndarray]): (C, h, w) float32 each.
        labels (dict[str, np.ndarray]): (N, ...) each, drawn in addition to the maps.
        names (tuple[str, ...]): K keypoint names.
        zoom (int): Picture pixels per input pixel.
    """

    image: np.ndarray
    codec: Any
    maps: dict[str, np.ndarray]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    zoom: int = 1

    @property
    def input_size(self) -> tuple[int, int]:
        """[w, h] of the image."""
        return self.image.shape[1], self.image.shape[0]

    def canvas(self, dim: float = 0.45) -> Canvas:
        """Return a darkened copy of the image to draw on."""
        return Canvas(self.image, self.zoom, dim)

    def name(self, keypoint: int) -> str:
        """Return a keypoint's name, or its number if the names are unknown."""
        return self.names[keypoint] if keypoint < len(self.names) else f'keypoint {keypoint}'


def paints(*codecs: str) -> Callable[[Painter], Painter]:
    """Register a painter for codecs by the names of their classes.

    A painter takes a :class:`Scene`, which may hold only some of the maps, and returns tiles.
    """

    def register(painter: Painter) -> Painter:
        _PAINTERS.update(dict.fromkeys(codecs, painter))
        return painter

    return register


def painter_of(codec: object) -> Painter:
    """Return the painter of a codec's class or of its nearest base class.

    Returns:
        Painter: :func:`paint_fields` for a codec without a painter.
    """
    names = [cls.__name__ for cls in type(codec).__mro__]
    return next((_PAINTERS[name] for name in names if name in _PAINTERS), paint_fields)


def paint(scene: Scene) -> list[Tile]:
    """Draw a scene's maps with its codec's painter."""
    return painter_of(scene.codec)(scene)


def paint_fields(scene: Scene, frame: Frame | None = None) -> list[Tile]:
    """Draw each map (C, h, w) over the image, with its channels in different colors.

    Args:
        scene (Scene): A scene with any maps.
        frame (Frame, optional): The cells' positions. Defaults to cells that divide the input
            evenly.
    """
    tiles = []
    for name, maps in scene.maps.items():
        if maps.ndim != 3 or min(maps.shape) < 1:
            continue
        canvas = scene.canvas()
        where = frame or Frame.of_centers(scene.input_size, maps.shape[:0:-1])
        canvas.blend(relative(maps), where, palette(len(maps)), smooth=True)
        tiles.append(Tile(f'{name}, {maps.shape[2]}x{maps.shape[1]} cells', canvas.picture))
    return tiles


def relative(maps: np.ndarray) -> np.ndarray:
    """Divide maps by their maximum if it is above 1 or below 1/2; negative values become 0."""
    top = float(np.nan_to_num(maps, nan=0.0, posinf=0.0).max())
    return maps if 0.5 <= top <= 1 or top <= 0 else maps / top
