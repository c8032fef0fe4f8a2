# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Add errors like a network's to perfect maps of bottom-up codecs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv1d, grid_sample, interpolate

from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.ranges import require_one_of

#: 'smooth': errors shared by neighboring cells, like a network's; 'independent': one per cell.
ERRORS = ('smooth', 'independent')
#: Strengths to measure, in input pixels.
STRENGTHS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
#: Standard deviation of the Gaussian that smooths the errors, in input pixels: half of a disk's
#: radius of 16, or one cell of a network of stride 8.
CORRELATION = 8.0
#: The same for errors of a heatmap's values, where peaks differ in height. (Within a single
#: Gaussian of 8 px, such errors would move the peak by several pixels.)
CORRELATION_OF_VALUES = 32.0
#: Additional error of mid and long offsets per 1 px error of short ones, relative to their length.
SHARE_OF_LENGTH = 0.05
#: Relative and absolute error of heatmaps per 1 px error of short offsets.
SHARE_OF_VALUE, BACKGROUND = 0.1, 0.005
#: Distance of two people's tags, unless the training sets another.
TAG_STEP = 8.0
#: Error of tags per 1 px error of short offsets, relative to that distance: 0.8 of 8 at 3 px.
SHARE_OF_STEP = 0.1 / 3

#: Standard deviation of x and of y of an error whose length has a mean square of 1.
EACH_AXIS = 0.5**0.5


def error_field(kind: str, size: tuple[int, int], seed: int) -> Callable[..., Tensor]:
    """Return a source of errors with a mean of 0 and a mean square of 1.

    Smooth errors are drawn on a grid with a step of half their correlation, smoothed there and
    interpolated to the maps, so maps of any size have the same errors.

    Args:
        kind (str): One of ERRORS.
        size (tuple[int, int]): The input's [w, h].
        seed (int): Seed of the random numbers; the same seed gives the same errors.

    Returns:
        Callable: A function that returns errors for maps of a shape (1, C, h, w), new ones on each
        call. The second argument is the correlation in input pixels and defaults to CORRELATION.
    """
    generator = torch.Generator().manual_seed(seed)

    def independent(shape: torch.Size, _: float = CORRELATION) -> Tensor:
        return torch.randn(shape, generator=generator)

    def smooth(shape: torch.Size, correlation: float = CORRELATION) -> Tensor:
        step = correlation / 2
        width, height = (math.ceil((side - 1) / step) + 1 for side in size)
        reach = 6
        ticks = torch.arange(-reach, reach + 1) / 2
        kernel = torch.exp(-0.5 * ticks**2)
        kernel /= kernel.square().sum().sqrt()
        noise = torch.randn(shape[1], height + 2 * reach, width + 2 * reach, generator=generator)
        for _ in range(2):
            noise = conv1d(noise.flatten(0, 1)[:, None], kernel[None, None])
            noise = noise.view(shape[1], -1, noise.shape[-1]).transpose(1, 2)
        return interpolate(noise[None], shape[-2:], mode='bicubic', align_corners=True)

    require_one_of(ERRORS, errors=kind)
    return smooth if kind == 'smooth' else independent


class NoisyMaps:
    """Perfect maps and one draw of errors, which can be scaled to any strength.

    If short offsets have an error of r input pixels (the root mean square of the errors' lengths),
    the maps have these errors:

    | maps | error |
    | --- | --- |
    | short offsets | r px |
    | mid and long offsets | r px plus a twentieth of their length per pixel of r |
    | disks, body | a tenth of their value per pixel of r, plus 0.005 r; clipped to 0 to 1 |
    | Gaussian heatmaps | the same; smooth errors also move them by r px |
    | tags | a tenth of the distance between two people's tags, times r / 3 |

    At r = 3, for example, long offsets err by 15 % of their length, tags by 0.8 of 8, and heatmaps
    by 30 %.

    Args:
        maps (dict[str, Tensor]): (1, C, h, w) each, by the names of the codecs' maps.
        kind (str): One of ERRORS.
        size (tuple[int, int]): The input's [w, h].
        seed (int): Seed of the errors.
        tag_step (float): Distance of two people's tags. Defaults to 8.
    """

    def __init__(
        self,
        maps: Maps,
        kind: str,
        size: tuple[int, int],
        seed: int,
        tag_step: float = TAG_STEP,
    ) -> None:
        self.maps = maps
        self.errors: dict[str, tuple[Tensor, ...]] = {}
        self.shift: Tensor | None = None
        field = error_field(kind, size, seed)
        for name, value in maps.items():
            if name in ('mid_offsets', 'long_offsets'):
                length = value.unflatten(1, (-1, 2)).square().sum(2, keepdim=True)
                scale = (1 + length * SHARE_OF_LENGTH**2).sqrt_()
                errors = field(value.shape).unflatten(1, (-1, 2)).mul_(EACH_AXIS * scale)
                errors = errors.flatten(1, 2)
                self.errors[name] = (errors,)
            elif name == 'short_offsets':
                self.errors[name] = (field(value.shape).mul_(EACH_AXIS),)
            elif name == 'tags':
                self.errors[name] = (field(value.shape).mul_(SHARE_OF_STEP * tag_step),)
            else:
                of_value = field(value.shape, CORRELATION_OF_VALUES).mul_(SHARE_OF_VALUE)
                self.errors[name] = (of_value, field(value.shape).mul_(BACKGROUND))
        if 'tags' in maps and kind == 'smooth':
            channels, h, w = maps['heatmaps'].shape[1:]
            shift = field(torch.Size([1, 2 * channels, h, w])).view(channels, 2, h, w)
            # convert input pixels to grid_sample's range of -1 to 1
            unit = torch.tensor([2 * EACH_AXIS / side for side in size])
            self.shift = shift.permute(0, 2, 3, 1) * unit

    def at(self, rms: float) -> Maps:
        """Return the maps with errors of a given strength in input pixels."""
        if not rms:
            return dict(self.maps)
        noisy = {}
        for name, value in self.maps.items():
            errors = self.errors[name]
            if len(errors) == 1:
                noisy[name] = value + rms * errors[0]
                continue
            if self.shift is not None:
                value = _shifted(value, rms * self.shift)
            most = None if 'tags' in self.maps else 1.0  # disks are probabilities, Gaussians not
            noisy[name] = (value * (1 + rms * errors[0]) + rms * errors[1]).clamp_(0, most)
        return noisy


def _shifted(value: Tensor, shift: Tensor) -> Tensor:
    """Move each cell of maps (1, C, h, w) by a shift (C, h, w, 2) in grid_sample's units."""
    h, w = value.shape[-2:]
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    cells = torch.stack([(2 * x + 1) / w - 1, (2 * y + 1) / h - 1], -1)
    return grid_sample(value[0, :, None], cells + shift, align_corners=False).transpose(0, 1)
