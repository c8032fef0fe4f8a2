# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""StrongPose's decoding in pure numpy, for models outside PyTorch.

This module does in numpy, one image at a time, what :mod:`.voting` and :mod:`.sampling` do in
torch. The codec's own modules :mod:`.plotting` and :mod:`.scoring` do the steps after that.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..map_checks import check_whole_maps, refuse_non_finite
from .kinematic_graph import directed_edges, edges_from
from .plotting import Candidates, PosePlotter, Poses
from .scoring import keypoint_spreads, rank
from .settings import BODY_REACH, LEAST_OFFSET, PAD, DiskOffsetSettings

#: Positions around a candidate at which the body heatmap is read, in input pixels.
NEAR_BODY = BODY_REACH * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)


def decode_disk_offset(
    maps: dict[str, np.ndarray], settings: DiskOffsetSettings, size: tuple[int, int]
) -> list[tuple]:
    """Decode StrongPose's maps, (B, C, h, w) float32 each.

    Args:
        maps (dict[str, np.ndarray]): ``heatmaps``, ``body_heatmaps``, ``short_offsets``,
            ``mid_offsets`` and ``long_offsets``.
        settings (DiskOffsetSettings): The codec's settings.
        size (tuple[int, int]): Size of the input, [w, h].

    Returns:
        list[tuple]: For each image keypoints (N, K, 2) in input pixels, scores (N, K) and people's
        scores (N,), the highest first.

    Raises:
        ValueError: If a map holds NaN or infinite values. Large offsets are checked where decoding
            follows them.
    """
    check_whole_maps(settings.codec, maps)
    ratio = (np.array(settings.input_size) - 1) / (np.array(size) - 1)
    results = []
    for index in range(len(maps['heatmaps'])):
        try:
            image = _Image({name: value[index] for name, value in maps.items()}, settings)
            keypoints, scores, people = image.people()
        except FloatingPointError:
            refuse_non_finite(settings.codec, maps)
            raise
        results.append(((keypoints / ratio).astype(np.float32), scores, people))
    return results


class _Image:
    """Decoder of one image's maps (C, h, w)."""

    def __init__(self, maps: dict[str, np.ndarray], settings: DiskOffsetSettings) -> None:
        self.maps, self.settings = maps, settings
        self.kinds, self.h, self.w = maps['heatmaps'].shape
        self.cells = np.array([self.w, self.h])
        pixels = np.array(settings.input_size)
        self.pitch = (np.maximum(pixels - 1, 1) / np.maximum(self.cells - 1, 1)).astype(np.float32)
        self.edges_from = np.array(edges_from(settings.edges, self.kinds))
        self.edge_ends = np.array([end for _, end in directed_edges(settings.edges)])
        self.votes = self._votes()

    def people(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the people: keypoints (N, K, 2), scores (N, K) and people's scores (N,)."""
        pose = PosePlotter(self.settings)(self._candidates(*self._peaks()))
        return rank(pose, self._scores(pose), self.settings)

    def _skips(self) -> np.ndarray:
        """Return n for x and y (2,); every n-th column and row votes."""
        spacing = self.settings.vote_spacing
        return np.array([max(1, round(spacing / float(step))) for step in self.pitch])

    def _votes(self) -> np.ndarray:
        """Return the votes (K, h, w) on a grid of ``vote_step`` pixels with an empty margin."""
        s = self.settings
        skip_x, skip_y = self._skips()
        sparse = self.maps['heatmaps'][:, ::skip_y, ::skip_x]
        kind, y, x = np.nonzero(sparse >= s.vote_threshold)
        area = skip_x * skip_y * float(self.pitch.prod()) / (math.pi * s.radius**2)
        weight = sparse[kind, y, x] * np.float32(area)
        y, x = y * skip_y, x * skip_x
        position = np.stack([x, y], -1).astype(np.float32) * self.pitch
        for axis in (0, 1):
            position[:, axis] += self.maps['short_offsets'][2 * kind + axis, y, x]
        _require_finite(position)
        step = s.vote_step
        w, h = (math.ceil((n - 1) / step) + 1 + 2 * PAD for n in s.input_size)
        place = position / np.float32(step)
        low = np.floor(place)
        right, lower = (place - low).T
        x, y = low.astype(np.int64).T + PAD
        inside = (np.minimum(x, y) >= PAD - 1) & (x <= w - PAD - 1) & (y <= h - PAD - 1)
        index, weight = ((kind * h + y) * w + x)[inside], weight[inside]
        right, lower = right[inside], lower[inside]
        votes = np.zeros(self.kinds * h * w)
        for corner, share in (
            (0, (1 - lower) * (1 - right)),
            (1, (1 - lower) * right),
            (w, lower * (1 - right)),
            (w + 1, lower * right),
        ):
            votes += np.bincount(index + corner, weight * share, minlength=len(votes))
        return votes.astype(np.float32).reshape(self.kinds, h, w)

    def _peaks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the candidates' keypoints (P,), positions (P, 2) in pixels and scores (P,)."""
        votes = self.votes
        rows = votes[:, :-2] + votes[:, 2:] + 2 * votes[:, 1:-1]
        pairs = rows[..., 1:] + rows[..., :-1]
        smooth = pairs[..., 1:] + pairs[..., :-1]
        kind, y, x = np.nonzero(smooth >= 4 * self.settings.peak_threshold)
        own = smooth[kind, y, x][:, None]
        window = sliding_window_view(np.pad(smooth, ((0, 0), (2, 2), (2, 2))), (5, 5), (1, 2))
        around = window[kind, y, x].reshape(-1, 25)
        later = np.arange(25) >= 12
        is_peak = ((around < own) | ((around == own) & later)).all(1)
        kind, y, x, score = kind[is_peak], y[is_peak] + 1, x[is_peak] + 1, own[is_peak, 0] / 4
        mass = sliding_window_view(votes, (3, 3), (1, 2))[kind, y - 1, x - 1]
        total = np.maximum(mass.sum((1, 2)), 1e-12)
        dx = (mass[:, :, 2] - mass[:, :, 0]).sum(1) / total
        dy = (mass[:, 2] - mass[:, 0]).sum(1) / total
        position = np.stack([x - PAD + dx, y - PAD + dy], -1) * self.settings.vote_step
        return kind, position.astype(np.float32), score

    def _nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the nearest cells' columns and rows (...) and positions (..., 2)."""
        cells = np.nan_to_num(np.round(points / self.pitch))
        cells = np.minimum(np.maximum(cells, 0), self.cells - 1)
        x, y = np.moveaxis(cells.astype(np.int64), -1, 0)
        return x, y, (cells * self.pitch).astype(np.float32)

    def _offsets(self, name: str, channel: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        maps = self.maps[name]
        return np.stack([maps[2 * channel, y, x], maps[2 * channel + 1, y, x]], -1)

    def _candidates(self, kind: np.ndarray, position: np.ndarray, score: np.ndarray) -> Candidates:
        """Follow all offsets from the candidates."""
        x, y, here = self._nearest(position)
        edges = self.edges_from[kind]
        exists = edges >= 0
        edges = np.maximum(edges, 0)
        every = np.broadcast_to(np.arange(self.kinds), (len(kind), self.kinds))
        mid = self._offsets('mid_offsets', edges, x[:, None], y[:, None])
        far = self._offsets('long_offsets', every, x[:, None], y[:, None])
        exists &= np.square(mid).sum(-1) >= LEAST_OFFSET**2
        known = np.square(far).sum(-1) >= LEAST_OFFSET**2
        known |= every == kind[:, None]
        kinds = np.concatenate([self.edge_ends[edges], every], 1)
        ends = here[:, None] + np.concatenate([mid, far], 1)
        heatmaps = self.maps['heatmaps']
        for _ in range(self.settings.refine_steps):
            end_x, end_y, end = self._nearest(ends)
            strong = heatmaps[kinds, end_y, end_x] >= self.settings.vote_threshold
            moved = end + self._offsets('short_offsets', kinds, end_x, end_y)
            ends = np.where(strong[..., None], moved, ends)
        slots = edges.shape[1]
        ends, far = ends[:, :slots], ends[:, slots:]
        end_x, end_y, _ = self._nearest(ends)
        end_scores = heatmaps[kinds[:, :slots], end_y, end_x] * exists
        _require_finite(ends, far)
        ends[~exists] = far[~known] = np.nan
        body_x, body_y, _ = self._nearest(position[:, None] + NEAR_BODY)
        body = self.maps['body_heatmaps'][0][body_y, body_x].max(1)
        return Candidates(kind, position, score, ends, end_scores, far, body)

    def _scores(self, pose: Poses) -> np.ndarray:
        """Return the keypoints' scores (N, K)."""
        kind = np.broadcast_to(np.arange(self.kinds), pose.keypoints.shape[:2])
        x, y, _ = self._nearest(pose.keypoints)
        scores = self.maps['heatmaps'][kind, y, x]
        if self.settings.keypoint_score == 'expected_oks' and len(scores):
            spread = keypoint_spreads(pose, self.settings)
            flat = (kind.reshape(-1), pose.keypoints.reshape(-1, 2), spread.reshape(-1))
            scores = scores * self._expected_oks(*flat).reshape(scores.shape)
        return np.where(pose.placed, scores, 0)

    def _expected_oks(
        self, kind: np.ndarray, position: np.ndarray, spread: np.ndarray
    ) -> np.ndarray:
        """Return the expected OKS (P,) of keypoints; see :func:`.voting.expected_oks`."""
        s = self.settings
        skips = self._skips()
        step = (skips * self.pitch).astype(np.float32)
        ticks = [np.arange(-math.ceil(s.radius / n), math.ceil(s.radius / n) + 1) for n in step]
        window = np.stack(np.meshgrid(*ticks, indexing='ij'), -1).reshape(-1, 2)
        cells = np.round(position / step).astype(np.int64)[:, None] + window  # (P, S, 2)
        here = (cells * step).astype(np.float32)
        votes = np.square(here - position[:, None]).sum(-1) <= s.radius**2
        cells = cells * skips
        votes &= (cells >= 0).all(-1) & (cells < self.cells).all(-1)
        x, y = np.moveaxis(np.where(votes[..., None], cells, 0), -1, 0)
        kind = kind[:, None]
        weight = self.maps['heatmaps'][kind, y, x]
        weight = np.where(votes & (weight >= s.vote_threshold), weight, 0)
        there = here + self._offsets('short_offsets', kind, x, y)
        distance = np.square(there - position[:, None]).sum(-1)
        kernel = np.exp(-0.5 * distance / np.square(spread)[:, None])
        inside = np.where(weight > 0, weight * kernel, 0).sum(1)
        return inside / np.maximum(weight.sum(1), 1e-12)


def _require_finite(*values: np.ndarray) -> None:
    """Raise FloatingPointError if values that decoding follows are NaN or infinite."""
    if not all(np.isfinite(value).all() for value in values):
        raise FloatingPointError('an offset that decoding follows is NaN or infinite')
