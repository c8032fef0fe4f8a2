# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's decoding of Gaussian heatmaps as batched, traceable torch code."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from torch import Tensor
from torch.nn.functional import conv2d


def decode_heatmaps(codec: MSRAHeatmap | UDPHeatmap, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Decode a batch at once, as ``codec.decode`` does.

    There is one difference: a keypoint whose map has no positive value (score <= 0) stays at
    mmpose's cell (-1, -1), whereas mmpose's UDP decoding reads it from other keypoints' maps.

    Args:
        codec (MSRAHeatmap | UDPHeatmap): mmpose's MSRAHeatmap (plain or ``unbiased``) or UDPHeatmap
            (``'gaussian'``).
        heatmaps (Tensor): (B, K, h, w) float.

    Returns:
        tuple: keypoints (B, K, 2) in input pixels and scores (B, K).

    Raises:
        ValueError: If it is a different codec.
    """
    cells, scores = _maximum(heatmaps)
    if isinstance(codec, MSRAHeatmap):
        refine = _refine_dark if codec.unbiased else _refine_quarter
        kernel = codec.blur_kernel_size if codec.unbiased else 0
        factor = torch.as_tensor(codec.scale_factor, device=heatmaps.device)
    elif isinstance(codec, UDPHeatmap) and codec.heatmap_type == 'gaussian':
        refine, kernel = _refine_dark_udp, codec.blur_kernel_size
        last = torch.tensor(codec.heatmap_size, device=heatmaps.device) - 1
        factor = torch.tensor(codec.input_size, device=heatmaps.device) / last
    else:
        raise ValueError(f'{type(codec).__name__} cannot be decoded inside the graph')
    if kernel:
        heatmaps = _blur(heatmaps, kernel)
    shift = refine(heatmaps, cells)
    points = cells + torch.where((scores > 0)[..., None], shift, torch.zeros_like(shift))
    points = torch.where((scores > 0)[..., None], points, -torch.ones_like(points))
    return points * factor.to(points.dtype), scores


def _maximum(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima's cells (B, K, 2) int64 [x, y] and values (B, K)."""
    width = heatmaps.shape[-1]
    flat = heatmaps.flatten(2)
    index = flat.argmax(-1)
    scores = flat.amax(-1)
    return torch.stack([index % width, torch.div(index, width, rounding_mode='floor')], -1), scores


def _reader(maps: Tensor, cells: Tensor) -> Callable[[int, int], Tensor]:
    """Return a function that reads maps (B, K, h, w) at cells (B, K, 2) + (x, y), clamped."""
    h, w = maps.shape[-2:]
    flat = maps.flatten(2)

    def read(x: int, y: int) -> Tensor:
        column = (cells[..., 0] + x).clamp(0, w - 1)
        row = (cells[..., 1] + y).clamp(0, h - 1)
        return flat.gather(2, (row * w + column)[..., None])[..., 0]

    return read


def _blur(maps: Tensor, kernel: int) -> Tensor:
    """Blur like mmpose's ``gaussian_blur``: with zeros outside the map and its maximum kept."""
    weights = torch.from_numpy(cv2.getGaussianKernel(kernel, 0, cv2.CV_32F)).to(maps)
    b, k, h, w = maps.shape
    blurred = maps.reshape(b * k, 1, h, w)
    blurred = conv2d(blurred, weights.view(1, 1, 1, -1), padding=(0, kernel // 2))
    blurred = conv2d(blurred, weights.view(1, 1, -1, 1), padding=(kernel // 2, 0))
    blurred = blurred.reshape(b, k, h, w)
    return blurred * (maps.amax((2, 3), keepdim=True) / blurred.amax((2, 3), keepdim=True))


def _refine_quarter(maps: Tensor, cells: Tensor) -> Tensor:
    """Shift a quarter of a cell to the higher neighbor, like mmpose's ``refine_keypoints``."""
    h, w = maps.shape[-2:]
    read = _reader(maps, cells)
    x, y = cells.unbind(-1)
    has_x = (x > 1) & (x < w - 1) & (y > 0) & (y < h)
    has_y = (y > 1) & (y < h - 1) & (x > 0) & (x < w)
    dx = (read(1, 0) - read(-1, 0)).sign() * has_x
    dy = (read(0, 1) - read(0, -1)).sign() * has_y
    return torch.stack([dx, dy], -1) * 0.25


def _refine_dark(maps: Tensor, cells: Tensor) -> Tensor:
    """Apply DARK's Newton step on the logarithm, like mmpose's ``refine_keypoints_dark``."""
    h, w = maps.shape[-2:]
    read = _reader(maps.clamp(min=1e-10).log(), cells)
    x, y = cells.unbind(-1)
    inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
    center = read(0, 0)
    dx = 0.5 * (read(1, 0) - read(-1, 0))
    dy = 0.5 * (read(0, 1) - read(0, -1))
    dxx = 0.25 * (read(2, 0) - 2 * center + read(-2, 0))
    dyy = 0.25 * (read(0, 2) - 2 * center + read(0, -2))
    dxy = 0.25 * (read(1, 1) - read(1, -1) - read(-1, 1) + read(-1, -1))
    determinant = dxx * dyy - dxy * dxy
    usable = inside & (determinant != 0)
    shift = _newton_step(dx, dy, dxx, dyy, dxy, determinant)
    return torch.where(usable[..., None], shift, torch.zeros_like(shift))


def _refine_dark_udp(maps: Tensor, cells: Tensor) -> Tensor:
    """Apply DARK's Newton step with UDP's differences (mmpose's ``refine_keypoints_dark_udp``)."""
    read = _reader(maps.clamp(1e-3, 50.0).log(), cells)
    center, right, left = read(0, 0), read(1, 0), read(-1, 0)
    below, above = read(0, 1), read(0, -1)
    dx, dy = 0.5 * (right - left), 0.5 * (below - above)
    tiny = torch.finfo(torch.float32).eps
    dxx = right - 2 * center + left + tiny
    dyy = below - 2 * center + above + tiny
    dxy = 0.5 * (read(1, 1) - right - below + center + center - left - above + read(-1, -1))
    return _newton_step(dx, dy, dxx, dyy, dxy, dxx * dyy - dxy * dxy)


def _newton_step(
    dx: Tensor, dy: Tensor, dxx: Tensor, dyy: Tensor, dxy: Tensor, determinant: Tensor
) -> Tensor:
    """Return minus the inverse Hessian times the gradient, (..., 2)."""
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1)
    return step / determinant[..., None]
