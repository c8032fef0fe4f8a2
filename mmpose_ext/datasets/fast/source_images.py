# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Recolor and warp the decoded images of a batch on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from mmpose_ext.datasets.transforms.color_jitter import GRAY

from .deferred_image import warp_pixels


@dataclass
class SourceImages:
    """Decoded images of a batch that are still to be recolored and warped.

    Attributes:
        memory (Tensor): uint8, one image (h, w, 4) after another, BGR and 255.
        shapes (list[tuple[int, int]]): [h, w] of B images.
        matrices (np.ndarray): (B, 2, 3) float64, from pixels of an image to those of the input.
        factors (np.ndarray): (B, J, 3) float32, of J color jitters; see :class:`.ColorJitter`.
        size (tuple[int, int]): [w, h] of the input.
    """

    memory: Tensor
    shapes: list[tuple[int, int]]
    matrices: np.ndarray
    factors: np.ndarray
    size: tuple[int, int]

    def pin_memory(self) -> SourceImages:
        """Return the images in pinned memory, for torch's data loader."""
        return replace(self, memory=self.memory.pin_memory())

    def warp(self, device: torch.device | str, non_blocking: bool = False) -> Tensor:
        """Recolor and warp the images.

        OpenCV does it on a CPU, image by image. On other devices, all images are enlarged to one
        size with transparent pixels, and the results differ from OpenCV's by the rounding.

        Args:
            device (torch.device | str): The device.
            non_blocking (bool): Whether copies from pinned memory may be asynchronous. Defaults to
                False.

        Returns:
            Tensor: (B, 3, h, w) uint8, BGR, on the device.
        """
        if torch.device(device).type == 'cpu':
            return self._warp_by_opencv()
        return self._warp_on(device, non_blocking)

    def _warp_by_opencv(self) -> Tensor:
        width, height = self.size
        inputs = torch.empty((len(self.shapes), height, width, 3), dtype=torch.uint8)
        images = [image.numpy() for image in self._images(self.memory)]
        for pixels, jitters, matrix, out in zip(
            images, self.factors, self.matrices, inputs.numpy()
        ):
            warp_pixels(pixels, jitters, matrix.tolist(), self.size, out)
        return inputs.permute(0, 3, 1, 2)

    @torch.no_grad()
    def _warp_on(self, device: torch.device | str, non_blocking: bool = False) -> Tensor:
        moved = self.memory.to(device, non_blocking=non_blocking)
        height, width = np.max(self.shapes, axis=0).tolist()
        canvas = moved.new_zeros((len(self.shapes), height, width, 4))
        for image, whole in zip(self._images(moved), canvas):
            whole[: image.shape[0], : image.shape[1]] = image
        channels = canvas.permute(0, 3, 1, 2).float()
        colors, inside = channels[:, :3], channels[:, 3:] / 255
        for factors in torch.from_numpy(self.factors).to(device, non_blocking=True).unbind(1):
            colors = jitter_on_device(colors, inside, factors)
        grid = _grid(self.matrices, (width, height), self.size, device)
        warped = grid_sample(colors, grid, align_corners=False)
        return warped.round_().clamp_(0, 255).to(torch.uint8)

    def _images(self, memory: Tensor) -> list[Tensor]:
        """Return the images (h, w, 4) in a memory like this one."""
        parts = memory.split([4 * math.prod(shape) for shape in self.shapes])
        return [part.view(*shape, 4) for part, shape in zip(parts, self.shapes)]


def jitter_on_device(colors: Tensor, inside: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of images as :func:`.jitter` does.

    Args:
        colors (Tensor): (B, 3, h, w) float32, BGR from 0 to 255; 0 outside the images.
        inside (Tensor): (B, 1, h, w) float32, 1 inside the images and 0 outside.
        factors (Tensor): (B, 3), of brightness, contrast and saturation.

    Returns:
        Tensor: (B, 3, h, w) float32, whole numbers from 0 to 255; 0 outside the images.
    """
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(1)
    blue, green, red = (channel * weight for channel, weight in zip(colors.unbind(1), GRAY))
    gray = (blue + green + red)[:, None]
    mean = gray.sum((2, 3), keepdim=True) / inside.sum((2, 3), keepdim=True)
    scale = brightness * contrast
    shift = brightness * (1 - contrast) * mean
    changed = scale * (saturation * colors + (1 - saturation) * gray) + shift * inside
    return changed.round_().clamp_(0, 255)


def _grid(
    matrices: np.ndarray, source: tuple[int, int], size: tuple[int, int], device: torch.device | str
) -> Tensor:
    """Compute where the pixels of the input lie in the images, for ``grid_sample``.

    Args:
        matrices (np.ndarray): (B, 2, 3), from pixels of the images to those of the input.
        source (tuple[int, int]): [w, h] of the images.
        size (tuple[int, int]): [w, h] of the input.
        device (torch.device | str): The device.

    Returns:
        Tensor: (B, h, w, 2) float32, from -1 to 1 between the borders of the images.
    """
    inverse = np.stack([cv2.invertAffineTransform(matrix) for matrix in matrices])
    inverse[:, :, 2] += 0.5
    inverse *= 2 / np.array(source)[:, None]
    inverse[:, :, 2] -= 1
    by_x, by_y, start = (
        torch.from_numpy(inverse.astype(np.float32)).to(device, non_blocking=True).unbind(2)
    )
    x, y = (torch.arange(side, device=device, dtype=torch.float32) for side in size)
    return (
        by_x[:, None, None] * x[:, None]
        + by_y[:, None, None] * y[:, None, None]
        + start[:, None, None]
    )
