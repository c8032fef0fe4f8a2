# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Load people's crops from a pack."""

from __future__ import annotations

import math

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmpose_ext.datasets.fast import DeferredImage
from mmpose_ext.datasets.fast.deferred_image import Allocator
from mmpose_ext.datasets.fast.encoded_image import decode_baseline
from mmpose_ext.datasets.fast.warp_geometry import Box, Grid, reduction

from .reader import PackReader
from .records import Crop


class PackedImage(DeferredImage):
    """An image of which only a person's surroundings are stored.

    Args:
        crop (Crop): The surroundings.
        name (str): Name for error messages. Defaults to no name.
    """

    def __init__(self, crop: Crop, name: str = '') -> None:
        super().__init__(crop.image_size)
        self._crop = crop
        self._name = name

    def pixels(
        self, scale: float = 1.0, box: Box | None = None, allocate: Allocator | None = None
    ) -> tuple[np.ndarray, Grid]:
        """Decode; see :meth:`DeferredImage.pixels`.

        Raises:
            ValueError: If the crop is not a JPEG.
        """
        x1, y1, x2, y2 = self._crop.region
        picture = self._crop.picture
        by_x, by_y = (x2 - x1) / picture.size[0], (y2 - y1) / picture.size[1]
        needed = (0, 0, *picture.size)
        if box is not None:
            needed = (
                math.floor((box[0] - x1) / by_x) - 1, math.floor((box[1] - y1) / by_y) - 1,
                math.ceil((box[2] - x1) / by_x) + 1, math.ceil((box[3] - y1) / by_y) + 1,
            )  # fmt: skip
        content, (left, top, right, bottom) = picture.cut(needed)
        by = reduction(scale * min(by_x, by_y))
        pixels = decode_baseline(content, (right - left, bottom - top), by, allocate)
        if pixels is None:
            raise ValueError(f'{self._name}: the crop is no image')
        width, height = min(right, picture.size[0]) - left, min(bottom, picture.size[1]) - top
        pixels = pixels[: -(-height // by), : -(-width // by)]  # without the padding
        middle = (by - 1) / 2
        x, y = x1 + (left + middle + 0.5) * by_x - 0.5, y1 + (top + middle + 0.5) * by_y - 0.5
        return pixels, (by * by_x, by * by_y, x, y)


@TRANSFORMS.register_module()
class LoadPackedPerson(BaseTransform):
    """Load a person's crop as ``img``. Place it before ``FastLoadImage``.

    Required key: ``id``. Added key: ``img``, a :class:`.PackedImage`.

    Args:
        reader (PackReader): Reader of the data set's pack.
    """

    def __init__(self, reader: PackReader) -> None:
        self.reader = reader

    def transform(self, results: dict) -> dict:
        """Read the crop.

        Raises:
            PackError: If it is missing or damaged.
        """
        results['img'] = self.load_person(results['id'])
        return results

    def load_person(self, number: int | str) -> PackedImage:
        """Read the crop of the person with an id.

        Raises:
            PackError: If it is missing or damaged.
        """
        return PackedImage(self.reader.crop(number), f'{self.reader.path}, person {number}')
