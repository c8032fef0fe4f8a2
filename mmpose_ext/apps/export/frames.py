# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Convert between images and a model's input in pure numpy, as mmpose's test pipelines do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


def read_metadata(session: Any) -> dict:
    """Return an exported file's metadata, from its onnxruntime.InferenceSession."""
    return json.loads(session.get_modelmeta().custom_metadata_map['mmpose_ext'])


class Frame(NamedTuple):
    """The region of an image that becomes a model's input."""

    matrix: np.ndarray  #: (2, 3) for cv2.warpAffine(image, matrix, size)
    size: tuple[int, int]  #: the input's [w, h]
    center: np.ndarray  #: (2,) the region's center, in image pixels
    extent: np.ndarray  #: (2,) the region's [w, h], in image pixels

    def to_image(self, keypoints: np.ndarray) -> np.ndarray:
        """Convert keypoints (..., 2) from input pixels to image pixels."""
        return keypoints / np.array(self.size) * self.extent + self.center - self.extent / 2


def person_frame(box: np.ndarray, metadata: dict) -> Frame:
    """Return the frame of a person for a top-down model.

    Args:
        box (np.ndarray): (4,) x1, y1, x2, y2 in the image.
        metadata (dict): See :func:`read_metadata`.
    """
    box = np.asarray(box, np.float32)
    w, h = metadata['input']['size']
    crop = metadata['crop']
    center = (box[:2] + box[2:4]) / 2
    width, height = (box[2:4] - box[:2]) * np.float32(crop.get('padding', 1.25))
    extent = np.array([max(width, height * w / h), max(height, width * h / w)], np.float32)
    return Frame(_matrix(center, extent, (w, h), crop.get('use_udp')), (w, h), center, extent)


def image_frame(width: int, height: int, metadata: dict) -> Frame:
    """Return the frame of a whole image for a bottom-up model.

    Args:
        width (int): The image's width.
        height (int): The image's height.
        metadata (dict): See :func:`read_metadata`.
    """
    crop = metadata['crop']
    image, wanted = np.array([width, height]), np.array(metadata['input']['size'])
    ratio = width / height
    if crop.get('resize_mode') == 'expand' and metadata['input']['dynamic_size']:
        factor = crop['size_factor']
        wanted = -(-wanted // factor) * factor
        actual = np.maximum(wanted, wanted[::-1] * [ratio, 1 / ratio])
        padded = (np.ceil(actual / factor) * factor).astype(int)
    else:
        actual = np.minimum(wanted, wanted[::-1] * [ratio, 1 / ratio])
        padded = wanted
    size = (int(padded[0]), int(padded[1]))
    if crop.get('use_udp'):
        center, extent = ((image - 1) / 2).astype(np.float32), image.astype(np.float32)
        return Frame(_matrix(center, extent, actual, True), size, center, extent)
    center, extent = (image / 2).astype(np.float32), (image * padded / actual).astype(np.float32)
    return Frame(_matrix(center, extent, size, False), size, center, extent)


def _matrix(
    center: np.ndarray, extent: np.ndarray, size: Sequence[float], use_udp: bool | None
) -> np.ndarray:
    """Return the matrix from the image to an input of size [w, h]; UDP measures pixel to pixel."""
    sides = np.asarray(size, np.float64)
    if use_udp:
        scale, middle = (sides - 1) / extent, (sides - 1) / 2
    else:
        scale, middle = np.full(2, sides[0] / extent[0]), sides / 2
    return np.column_stack([np.diag(scale), middle - scale * center]).astype(np.float32)
