# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Load people's crops from a pack."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from mmpose.registry import TRANSFORMS

from mmpose_ext.datasets.fast import DeferredImage
from mmpose_ext.datasets.fast.deferred_image import Allocator
from mmpose_ext.datasets.fast.encoded_image import EncodedImage, decode_baseline
from mmpose_ext.datasets.fast.warp_geometry import Box, Grid, reduction

from .errors import PackError
from .reader import PackReader
from .records import Crop, id_in, person_key


class PackedImage(DeferredImage):
    """An image of which only a person's surroundings are stored.

    Args:
        crop (Crop): The surroundings.
        name (str): Name for error messages. Defaults to no name.
        whole (Callable, optional): Returns the whole image, for a warp that shows pixels beyond the
            surroundings, or None.
    """

    def __init__(
        self, crop: Crop, name: str = '', whole: Callable[[], DeferredImage | None] | None = None
    ) -> None:
        super().__init__(crop.image_size)
        self._crop = crop
        self._name = name
        self._whole = whole

    def pixels(
        self, scale: float = 1.0, box: Box | None = None, allocate: Allocator | None = None
    ) -> tuple[np.ndarray, Grid | None]:
        """Decode; see :meth:`DeferredImage.pixels`.

        Raises:
            PackError: If the box is not in the surroundings, and without the whole image.
            ValueError: If the crop is not a JPEG.
        """
        if box is not None and not self._holds(box):
            image = self._whole() if self._whole else None
            if image is None:
                raise PackError(
                    f'{self._name}: the pipeline shows pixels beyond the crop {self._crop.region}: '
                    f'{tuple(box)}. Train without a pack, or use only transforms of mmpose and of '
                    'this package'
                )
            return image.pixels(scale, box, allocate)
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
            raise ValueError(f'{self._name}: the crop cannot be decoded')
        width, height = min(right, picture.size[0]) - left, min(bottom, picture.size[1]) - top
        pixels = pixels[: -(-height // by), : -(-width // by)]  # without the padding
        middle = (by - 1) / 2
        x, y = x1 + (left + middle + 0.5) * by_x - 0.5, y1 + (top + middle + 0.5) * by_y - 0.5
        return pixels, (by * by_x, by * by_y, x, y)

    def _holds(self, box: Box) -> bool:
        """Return whether the crop has all pixels of a box that the image has."""
        (x1, y1, x2, y2), (w, h) = self._crop.region, self.size
        left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], w), min(box[3], h)
        inside = x1 <= left and y1 <= top and right <= x2 and bottom <= y2
        return inside or left >= right or top >= bottom


@TRANSFORMS.register_module()
class LoadPackedPerson(BaseTransform):
    """Load a person's crop as ``img``. Place it before ``FastLoadImage``.

    A draw that shows pixels beyond the crop is taken from the image's file, if it is there. This
    happens only with transforms that :func:`.reach_of` does not know, and with half bodies of
    converted keypoints.

    Required keys: those of a person from ``get_data_info``. Added key: ``img``, a
    :class:`.PackedImage`.

    Args:
        reader (PackReader): Reader of the data set's pack.
    """

    #: Returns the key that :meth:`load_person` takes, for a person from ``get_data_info``.
    key_of = staticmethod(person_key)

    def __init__(self, reader: PackReader) -> None:
        self.reader = reader
        self._told = False

    def transform(self, results: dict) -> dict:
        """Read the crop.

        Raises:
            PackError: If it is missing or damaged.
        """
        results['img'] = self.load_person(person_key(results), results['img_path'])
        return results

    def load_person(self, key: bytes, path: str | None = None) -> PackedImage:
        """Read the crop of a person.

        Args:
            key (bytes): From :attr:`key_of`.
            path (str, optional): Path of the image.

        Raises:
            PackError: If it is missing or damaged.
        """
        name = f'pack {self.reader.path}, person {id_in(key)}'
        crop = self.reader.crop(key)
        whole = None if path is None else partial(self._read_image, path, crop.image_size)
        return PackedImage(crop, name, whole)

    def _read_image(self, path: str, size: tuple[int, int]) -> EncodedImage | None:
        """Read an image's file, and say so once; return None if there is none of this [w, h]."""
        try:
            image = EncodedImage(Path(path).read_bytes(), path)
        except (OSError, ValueError):
            return None
        if image.size != size:
            return None
        if not self._told:
            self._told = True
            print_log(
                f'{path} is read although there is a pack: the pipeline shows pixels beyond its '
                'crops. This takes time.',
                'current',
                logging.WARNING,
            )
        return image
