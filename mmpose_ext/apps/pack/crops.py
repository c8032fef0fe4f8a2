# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Cut people out of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np

from mmpose_ext.datasets.pack import Crop, ImageState, Meta, PackError, surroundings
from mmpose_ext.datasets.pack.records import person_key, state_key
from mmpose_ext.datasets.pack.tiles import TiledJpeg
from mmpose_ext.utils.ranges import require_least, require_range


def require_crops(size: int | None, quality: int | None) -> None:
    """Check the settings of crops; None is not checked.

    Args:
        size (int, optional): Longest side of a crop in pixels.
        quality (int, optional): Quality of the JPEGs.

    Raises:
        ArgumentError: If one is out of range.
    """
    require_least(1, size=size)
    require_range(1, 100, quality=quality)


def cut_out(missing: dict[str, list[Any]], meta: Meta) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records of people, given by the paths of their images.

    Raises:
        PackError: If an image cannot be read.
    """
    for path, people in missing.items():
        try:
            content = Path(path).read_bytes()
            state = ImageState.of(path, content)
        except OSError as error:
            raise PackError(f'image {path} cannot be read: {error.strerror}') from error
        image = mmcv.imfrombytes(content, backend='cv2') if content else None
        if image is None:
            raise PackError(
                f'image {path} is empty, cut short or damaged: replace it and run the command again'
            )
        for info in people:
            key = person_key(info)
            crop = cut_crop(image, surroundings(info, meta.reach), meta.size, meta.quality)
            yield key, crop.to_bytes()
            yield state_key(key), state.to_bytes()


def cut_crop(image: np.ndarray, region: tuple[int, int, int, int], size: int, quality: int) -> Crop:
    """Cut a region out of an image, clipped to the image, and reduce it to a largest size.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        region (tuple[int, int, int, int]): x1, y1, x2, y2 in pixels.
        size (int): Longest side of the crop.
        quality (int): Quality of the JPEG.
    """
    height, width = image.shape[:2]
    x1, y1 = min(max(region[0], 0), width - 1), min(max(region[1], 0), height - 1)
    x2, y2 = max(min(region[2], width), x1 + 1), max(min(region[3], height), y1 + 1)
    pixels = image[y1:y2, x1:x2]
    by = size / max(pixels.shape[:2])
    if by < 1:
        reduced = (max(round((x2 - x1) * by), 1), max(round((y2 - y1) * by), 1))
        pixels = cv2.resize(pixels, reduced, interpolation=cv2.INTER_AREA)
    return Crop((x1, y1, x2, y2), (width, height), TiledJpeg.encode(pixels, quality))
