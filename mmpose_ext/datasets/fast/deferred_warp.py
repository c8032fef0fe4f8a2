# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Images that are warped when the batch has memory for them, or on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from torch import Tensor

from .deferred_image import Allocator, DeferredImage
from .scratch import new_memory
from .source_images import SourceImages
from .warp_geometry import Rows


class DeferredWarp:
    """An image and its affine warp: the value of ``results['img']`` from the affine to the batch.

    Args:
        image (DeferredImage): The image.
        matrix (np.ndarray): (2, 3), from pixels of the image to those of the input.
        size (tuple[int, int]): [w, h] of the input.
    """

    def __init__(self, image: DeferredImage, matrix: np.ndarray, size: tuple[int, int]) -> None:
        self.image = image
        self.matrix = matrix
        self.size = size

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, 3), the shape of the warped image."""
        return self.size[1], self.size[0], 3

    def flip(self, direction: str) -> DeferredWarp:
        """Flip the warped image: 'horizontal', 'vertical' or 'diagonal'."""
        matrix, axes = self.matrix.copy(), dict(horizontal=[0], vertical=[1], diagonal=[0, 1])
        for axis in axes[direction]:
            matrix[axis] *= -1
            matrix[axis, 2] += self.size[axis] - 1
        return DeferredWarp(self.image, matrix, self.size)

    def warp(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return the warped image, (h, w, 3) uint8, BGR, in ``out`` if it is given."""
        return self.image.warp(self.matrix, self.size, out)

    def source(self, allocate: Allocator) -> tuple[np.ndarray, Rows]:
        """Decode the pixels that the warp needs; see :meth:`.DeferredImage.source`."""
        return self.image.source(self.matrix, self.size, allocate)


def warp_all(warps: Sequence[DeferredWarp]) -> Tensor:
    """Warp images into the memory of a batch.

    Args:
        warps (Sequence[DeferredWarp]): B warps to one size.

    Returns:
        Tensor: (B, 3, h, w) uint8, BGR, with the strides of ``torch.channels_last``.
    """
    shape = (len(warps), *warps[0].shape)
    inputs = new_memory(math.prod(shape)).view(shape)
    for warp, out in zip(warps, inputs.numpy()):
        warp.warp(out)
    return inputs.permute(0, 3, 1, 2)


def decode_all(warps: Sequence[DeferredWarp]) -> SourceImages:
    """Decode images into the memory of a batch, which the device warps.

    Args:
        warps (Sequence[DeferredWarp]): B warps to one size, with equally many color jitters.
    """
    memory = new_memory(sum(4 * math.prod(warp.image.largest(warp.matrix)) for warp in warps))
    rest, shapes, matrices = memory.numpy(), [], []
    for warp in warps:
        pixels, rows = warp.source(partial(_place, rest))
        target = _place(rest, (*pixels.shape[:2], 4))
        if pixels.shape[2] == 3:
            cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA, dst=target)
        elif pixels.ctypes.data != target.ctypes.data:
            target[...] = pixels
        rest = rest[target.size :]
        shapes.append(target.shape[:2])
        matrices.append(rows)
    used = memory[: len(memory) - len(rest)]
    number = len(warps[0].image.jitters)
    factors = np.array([warp.image.jitters for warp in warps], np.float32)
    factors = factors.reshape(len(warps), number, 3)
    return SourceImages(used, shapes, np.array(matrices), factors, warps[0].size)


def _place(memory: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return memory[: math.prod(shape)].reshape(shape)
