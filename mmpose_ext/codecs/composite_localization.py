# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Sparse heatmaps and short-distance offsets of CLNet (composite localization)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor
from torch.nn.functional import threshold

from mmpose_ext.utils.maps import Maps

from .base import BaseTorchCodec, flip_channels
from .setting_checks import check_choice, check_number

STRIDES = (4, 8, 16, 32)
NORMS = ('squared', 'plain')
SOURCES = ('region', 'peak')


@KEYPOINT_CODECS.register_module()
class CompositeLocalization(BaseTorchCodec):
    """Keypoints as sparse heatmaps and short-distance offset maps (Sections 3.1 and 3.4).

    Drawn and decoded maps, with [w, h] = ``input_size`` / ``stride`` cells:

    - ``heatmaps`` (B, K, h, w): Eq. 1, 1 where the keypoint lies on the cell's center.
    - ``offsets`` (B, 2K, h, w): Eq. 3, from the cell's center to the keypoint in cells. As in the
      paper, the first K channels hold y and the last K hold x. Only this class knows that order.
    - ``keypoint_weights`` (B, 1, K): also 0 for keypoints outside the image.

    The center convention: cell i covers the pixels i * S to (i + 1) * S - 1, so its center lies at
    (i + C) * S - 0.5 with C = 0.5. This is Eq. 2 with cells counted from 0 and with a pixel's
    coordinate at the pixel's center. Under this convention the mirror image of a center is again a
    center, which the flip test needs.

    The paper does not square the norm in Eq. 1. ``norm='squared'``, the usual Gaussian, is the
    default because only it gives a meaning to the paper's sigma = 16 and tau = 0.6: the cells at
    tau or above are those within 16.2 px of the keypoint, about one cell around it at S = 16. With
    the norm as printed (``norm='plain'``) they are those within 261 px, almost the whole 256x256
    input.

    Decoding (Section 3.4): each heatmap cell at tau or above points to the keypoint by its offset.
    The keypoint is the mean of these points, weighted by the heatmap. If no cell reaches tau, only
    the best cell is used. The score is the heatmap's maximum.

    Args:
        input_size (tuple[int, int]): Size of the network's input in [w, h], multiples of stride.
        stride (int): S, input pixels per cell: 4, 8, 16 or 32. Defaults to 16.
        sigma (float): Standard deviation of the heatmaps in input pixels. Defaults to 16.
        tau (float): The cells with at least this heatmap value point to the keypoint. In (0, 1).
            Defaults to 0.6.
        norm (str): ``'squared'`` or ``'plain'``, how Eq. 1 is read. Defaults to ``'squared'``.
        decode_from (str): ``'region'`` (Section 3.4), or ``'peak'`` for models whose offsets are
            only trained at the heatmap's peak (Section 4.3), so that only the best cell is used.
            Defaults to ``'region'``.
        draw_on_device (bool): See :class:`BaseTorchCodec`.

    Raises:
        ValueError: If a setting is not one of the above.
    """

    map_names = ('heatmaps', 'offsets')

    def __init__(
        self,
        input_size: Sequence[int],
        stride: int = 16,
        sigma: float = 16.0,
        tau: float = 0.6,
        norm: str = 'squared',
        decode_from: str = 'region',
        draw_on_device: bool = False,
    ) -> None:
        super().__init__(input_size, draw_on_device)
        name = 'CompositeLocalization'
        check_choice(name, 'stride', stride, STRIDES)
        check_choice(name, 'norm', norm, NORMS)
        check_choice(name, 'decode_from', decode_from, SOURCES)
        if any(size % stride for size in self.input_size):
            raise ValueError(
                f'{name}: input_size {self.input_size} is not divisible by the stride {stride}. '
                'Choose a size whose width and height both are.'
            )
        self.stride = int(stride)
        self.sigma = check_number(name, 'sigma', sigma, above=0)
        self.tau = check_number(name, 'tau', tau, above=0, below=1)
        #: The largest float32 below tau: torch's threshold passes values above it.
        self.below_tau = float(np.nextafter(np.float32(self.tau), np.float32(0)))
        self.norm = norm
        self.decode_from = decode_from
        #: Size of the maps in cells, [w, h].
        self.map_size = (self.input_size[0] // self.stride, self.input_size[1] // self.stride)

    def make_constants(self) -> Maps:
        """Return the cells' centers (2, h * w), y first, and the image's first and last points."""
        w, h = self.map_size
        x = torch.arange(w) + 0.5 - 0.5 / self.stride
        y = torch.arange(h) + 0.5 - 0.5 / self.stride
        cells = torch.stack([y.repeat_interleave(w), x.repeat(h)])
        return dict(
            cells=cells,
            minus_cells=-cells.view(2, 1, h, w),
            low=torch.tensor([-0.5, -0.5]),
            high=torch.tensor(self.input_size) - 0.5,
        )

    def draw(self, keypoints: Tensor, weights: Tensor) -> Maps:
        """Draw heatmaps, offsets and keypoint_weights of one person per image (Eq. 1 to 3).

        Raises:
            ValueError: If there is more than one person in an image.
        """
        if keypoints.shape[1] != 1:
            raise ValueError(
                f'{type(self).__name__} takes one person per image, got {keypoints.shape[1]}: use '
                "a top-down data set (data_mode='topdown')."
            )
        fixed = self.constants(keypoints.device)
        outside = keypoints.clamp(fixed['low'], fixed['high']).ne(keypoints).any(-1)
        weights = weights.masked_fill(outside, 0.0)
        # (B, 1, K, 2) to (B, 2, K, 1, 1), y first, then to (B, 2, K, h, w)
        points = keypoints.flip(3).permute(0, 3, 2, 1).unsqueeze(-1)
        offsets = torch.add(fixed['minus_cells'], points, alpha=1 / self.stride)
        y = offsets.select(1, 0).select(3, 0)  # (B, K, h): the same in every column
        x = offsets.select(1, 1).select(2, 0)  # (B, K, w): the same in every row
        heatmaps = self._heat(y, x).mul_(weights.sign().view(*y.shape[:2], 1, 1))
        return dict(heatmaps=heatmaps, offsets=offsets.flatten(1, 2), keypoint_weights=weights)

    def _heat(self, y: Tensor, x: Tensor) -> Tensor:
        """Evaluate Eq. 1 at all cells (B, K, h, w); distances in cells: (B, K, h) and (B, K, w)."""
        factor = -0.5 / self.sigma**2
        if self.norm == 'plain':
            distance = torch.hypot(y.unsqueeze(3), x.unsqueeze(2))
            return distance.mul_(factor * self.stride).exp_()
        factor *= self.stride**2
        y, x = y.square().mul_(factor).exp_(), x.square().mul_(factor).exp_()
        return y.unsqueeze(3) * x.unsqueeze(2)

    def locate(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """Decode maps (B, K, h, w) and (B, 2K, h, w) by the three steps of Section 3.4.

        Raises:
            ValueError: If the maps are not ``map_size`` or the channels do not match.
        """
        self.check_maps(maps)
        heatmaps = maps['heatmaps'].flatten(2)
        offsets = maps['offsets'].flatten(2).unflatten(1, (2, -1))
        scores, best = heatmaps.max(-1, keepdim=True)
        if self.decode_from == 'region':
            votes = threshold(heatmaps, self.below_tau, 0.0)
            votes.scatter_(-1, best, scores.masked_fill(scores < self.tau, 1.0))
        else:
            votes = torch.zeros_like(heatmaps).scatter_(-1, best, 1.0)
        points = offsets + self.constants(votes.device)['cells'][:, None]
        points = points.mul_(votes[:, None]).sum(-1)
        points = points.div_(votes.sum(-1)[:, None]).mul_(self.stride)
        return points.flip(1).transpose(1, 2)[:, None], scores[:, None, :, 0]

    def flip(self, maps: Maps, flip_indices: Sequence[int]) -> Maps:
        """Flip maps of a mirrored input back: mirror, swap left and right, negate x-offsets."""
        heatmaps = flip_channels(maps['heatmaps'], flip_indices)
        y, x = flip_channels(maps['offsets'], flip_indices).chunk(2, 1)
        return dict(heatmaps=heatmaps, offsets=torch.cat([y, -x], 1))

    def check_maps(self, maps: Maps) -> None:
        """Check that a model's maps have this codec's size.

        Raises:
            ValueError: If they do not; the message names the setting that is likely wrong.
        """
        h, w = maps['heatmaps'].shape[-2:]
        if (w, h) != self.map_size:
            raise ValueError(
                f'{type(self).__name__}: the model gives maps of {w}x{h} cells, but input_size '
                f'{self.input_size} with stride {self.stride} needs {self.map_size[0]}x'
                f"{self.map_size[1]}. Set the codec's stride to the backbone's (ResNet: num_stages "
                'and out_indices), and its input_size to that of TopdownAffine.'
            )
        expected = (maps['heatmaps'].shape[0], 2 * maps['heatmaps'].shape[1], h, w)
        if maps['offsets'].shape != expected:
            raise ValueError(
                f'{type(self).__name__}: offsets must be {expected} (B, 2K, h, w), got '
                f'{tuple(maps["offsets"].shape)}.'
            )
