# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Gaussian heatmaps of the input's size (full-resolution encoder-decoder networks, FR-SBN)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor
from torch.nn.functional import threshold

from mmpose_ext.utils.maps import Maps

from .base import BaseTorchCodec
from .setting_checks import check_flag, check_number

#: Points per axis of the window that is fitted around a map's maximum.
FIT_POINTS = 9
#: Below this a factor of the Gaussian is set to 0, so that products of two factors stay above
#: float32's smallest normal number. A CPU multiplies subnormal numbers a hundred times slower.
SMALLEST = 1.1e-19


@KEYPOINT_CODECS.register_module()
class FullResolutionHeatmap(BaseTorchCodec):
    """One Gaussian heatmap per keypoint, with one cell per input pixel (Section 3.4, Eq. 1).

    Drawn and decoded map, with [w, h] = ``input_size``:

    - ``heatmaps`` (B, K, h, w): exp(-((x - x_k)^2 + (y - y_k)^2) / (2 sigma^2)) at every cell;
      0 everywhere for a keypoint of weight 0.
    - ``keypoint_weights`` (B, 1, K): also 0 for keypoints more than 3 sigma outside the input,
      which leave no visible Gaussian (the rule of mmpose and SimpleBaseline).

    Frame: cell (x, y) is input pixel (x, y) and holds the Gaussian at that pixel's center. The
    mirror image of a map is therefore the map of the mirror image, cell by cell, and the flip test
    needs no shift.

    A Gaussian is the outer product of one along x and one along y, so it takes w + h exponentials
    and one multiplication per cell.

    Decoding: the score is the map's maximum. A quadratic is fitted to the logarithm of the map
    around it (least squares over a window that reaches ``round(sigma)`` pixels to each side and is
    moved inwards at the border). The keypoint is the quadratic's maximum. This is exact for a
    Gaussian, and the wide window averages out a prediction's noise. If the fit has no maximum
    nearby, or the map is not positive, the keypoint is the arg-max.

    Args:
        input_size (tuple[int, int]): Size of the network's input, and of the maps, in [w, h].
        sigma (float): Standard deviation in input pixels. Defaults to 8, the paper's for 256x192
            (12 for 384x288).
        refine (bool): Whether to decode to sub-pixels instead of the arg-max. Defaults to True.
        draw_on_device (bool): See :class:`BaseTorchCodec`.

    Raises:
        ValueError: If a setting is not one of the above, or sigma is not above 0.
    """

    map_names = ('heatmaps',)

    def __init__(
        self,
        input_size: Sequence[int],
        sigma: float = 8.0,
        refine: bool = True,
        draw_on_device: bool = False,
    ) -> None:
        super().__init__(input_size, draw_on_device)
        self.sigma = check_number('FullResolutionHeatmap', 'sigma', sigma, above=0)
        self.refine = check_flag('FullResolutionHeatmap', 'refine', refine)
        most = (min(self.input_size) - 1) // 2
        #: How far the fitted window reaches to each side, in pixels; 0 without refinement.
        self.reach = min(max(1, round(self.sigma)), most) if self.refine else 0

    def make_constants(self) -> Maps:
        """Return the pixels' coordinates (w + h) and axes, the window's cells and its solver."""
        w, h = self.input_size
        fixed = dict(
            pixels=torch.cat([torch.arange(w), torch.arange(h)]).float(),
            axis=torch.tensor([0] * w + [1] * h),
            first=torch.zeros(2, dtype=torch.long),
            last=torch.tensor([w - 1, h - 1]),
        )
        if self.reach:
            ticks = torch.linspace(-self.reach, self.reach, FIT_POINTS, dtype=torch.float64)
            y, x = torch.cartesian_prod(*(ticks.round().unique(),) * 2).unbind(-1)
            terms = torch.stack([x, y, x * x / 2, x * y, y * y / 2, torch.ones_like(x)], -1)
            fixed['cells'] = (y * w + x).long()
            fixed['solver'] = torch.linalg.pinv(terms)[:5].T.float().contiguous()
        return fixed

    def draw(self, keypoints: Tensor, weights: Tensor) -> Maps:
        """Draw heatmaps and keypoint_weights of one person per image (Eq. 1).

        Raises:
            ValueError: If there is not exactly one person in each image.
        """
        if keypoints.shape[1] != 1:
            raise ValueError(
                f'{type(self).__name__} takes one person per image, got {keypoints.shape[1]}: use '
                "a top-down data set (data_mode='topdown')."
            )
        fixed = self.constants(keypoints.device)
        w = self.input_size[0]
        margin = 3 * self.sigma
        near = (keypoints >= -margin) & (keypoints <= fixed['last'] + margin)
        weights = weights * near.all(-1)
        # (B, K, w + h): one Gaussian along x and one along y
        distance = keypoints[:, 0].index_select(-1, fixed['axis']).sub_(fixed['pixels'])
        gaussians = threshold(distance.square_().mul_(-0.5 / self.sigma**2).exp_(), SMALLEST, 0.0)
        gaussians *= (weights[:, 0] > 0)[..., None]
        heatmaps = gaussians[..., w:, None] * gaussians[..., None, :w]
        return dict(heatmaps=heatmaps, keypoint_weights=weights)

    def locate(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """Decode maps (B, K, h, w) to the maxima, refined to sub-pixels.

        Raises:
            ValueError: If the maps do not have the input's size.
        """
        heatmaps = maps['heatmaps']
        self.check_maps(heatmaps)
        cells, scores = find_maximum(heatmaps)
        keypoints = self._fit(heatmaps, cells, scores) if self.reach else cells.float()
        return keypoints[:, None], scores[:, None]

    def finite_sum(self, maps: Maps, scores: Tensor) -> Tensor:
        """Sum the maxima (B, K), which NaN and infinity reach, instead of all cells.

        Negative infinity in some cells of a map has no effect and is accepted.
        """
        return scores.sum()

    def check_maps(self, heatmaps: Tensor) -> None:
        """Check that maps (B, K, h, w) have one cell per pixel.

        Raises:
            ValueError: If not.
        """
        h, w = heatmaps.shape[-2:]
        if (w, h) != self.input_size:
            raise ValueError(
                f'{type(self).__name__}: the maps have {w}x{h} cells, but input_size '
                f'{self.input_size} needs one per pixel. Give this codec the input_size of '
                'TopdownAffine, and use it with a full-resolution head.'
            )

    def _fit(self, heatmaps: Tensor, cells: Tensor, scores: Tensor) -> Tensor:
        """Fit a Gaussian around the maxima.

        Args:
            heatmaps (Tensor): (B, K, h, w).
            cells (Tensor): (B, K, 2), the maxima's int64 [x, y].
            scores (Tensor): (B, K), their values.

        Returns:
            Tensor: (B, K, 2) in pixels.
        """
        fixed = self.constants(heatmaps.device)
        reach = self.reach
        centers = cells.clamp(fixed['first'] + reach, fixed['last'] - reach)
        index = centers[..., 1] * self.input_size[0] + centers[..., 0]
        window = heatmaps.flatten(2).gather(2, index[..., None] + fixed['cells'])
        floor = scores.clamp(min=torch.finfo(scores.dtype).tiny) * 1e-3
        logs = window.clamp_(min=floor[..., None]).log_()
        gx, gy, hxx, hxy, hyy = (logs @ fixed['solver']).unbind(-1)
        determinant = hxx * hyy - hxy * hxy
        shift = torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], -1)
        fitted = centers + shift / determinant[..., None]
        is_peak = (scores > 0) & (hxx < 0) & (determinant > 0)
        is_near = ((fitted - cells).abs() <= reach).all(-1)
        fitted = fitted.clamp(fixed['first'] - 0.5, fixed['last'] + 0.5)
        return torch.where((is_peak & is_near)[..., None], fitted, cells.to(fitted))


def find_maximum(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Find each map's maximum, the first one in reading order.

    The maxima of all rows come first, which torch computes at memory speed (arg-max over whole maps
    is several times slower on a CPU). Then only one row per map is left to search.

    Args:
        maps (Tensor): (B, K, h, w).

    Returns:
        tuple: cells (B, K, 2), int64 [x, y], and values (B, K).
    """
    scores, y = maps.amax(-1).max(-1)
    row = maps.gather(2, y[..., None, None].expand(-1, -1, 1, maps.shape[-1])).squeeze(2)
    return torch.stack([row.argmax(-1), y], -1), scores
