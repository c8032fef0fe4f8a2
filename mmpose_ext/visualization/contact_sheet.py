# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Pictures with captions, arranged in rows and written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmpose_ext.utils.atomic_files import write_atomically

CAPTION_HEIGHT = 16
GAP = 4


class Tile(NamedTuple):
    """A picture (H, W, 3) uint8, BGR, and its caption in ASCII."""

    caption: str
    picture: np.ndarray


def with_caption(tile: Tile) -> np.ndarray:
    """Put the caption above the picture; cut it off if the picture is narrower."""
    strip = np.zeros((CAPTION_HEIGHT, tile.picture.shape[1], 3), np.uint8)
    font, white = cv2.FONT_HERSHEY_SIMPLEX, (235, 235, 235)
    cv2.putText(strip, tile.caption, (2, 12), font, 0.38, white, 1, cv2.LINE_AA)
    return np.vstack([strip, tile.picture])


def join_rows(rows: Sequence[Sequence[Tile]]) -> np.ndarray:
    """Stack rows of tiles of any sizes on a black background."""
    pictures = [[with_caption(tile) for tile in row] for row in rows if row]
    if not pictures:
        raise ValueError('there is nothing to put on a sheet')
    return _stack([_stack(row, 1) for row in pictures], 0)


def contact_sheet(tiles: Sequence[Tile], columns: int = 2, width: int = 480) -> np.ndarray:
    """Arrange all tiles, scaled to one width, in reading order."""
    scaled = [Tile(tile.caption, _to_width(tile.picture, width)) for tile in tiles]
    return join_rows([scaled[i : i + columns] for i in range(0, len(scaled), columns)])


def write_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write a PNG file completely or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    whole, data = cv2.imencode('.png', picture)
    if not whole:
        raise OSError(f'OpenCV cannot encode {path}, a picture of {picture.shape}')
    write_atomically(Path(path), data.tobytes())


def _to_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    larger = width > picture.shape[1]
    flag = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
    return cv2.resize(picture, (width, height), interpolation=flag)


def _stack(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Stack along an axis with gaps, and pad the other axis with black."""
    across = 1 - axis
    longest = max(picture.shape[across] for picture in pictures)
    filled = []
    for number, picture in enumerate(pictures):
        space = [(0, 0)] * 3
        space[across] = (0, longest - picture.shape[across])
        space[axis] = (GAP if number else 0, 0)
        filled.append(np.pad(picture, space))
    return np.concatenate(filled, axis)
