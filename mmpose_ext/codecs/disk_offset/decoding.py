# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From disk heatmaps and offsets to scored people (StrongPose, Sections III-C and III-D)."""

from __future__ import annotations

import numpy as np
import torch

from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .cells import cell_pitch, nearest_cells, read
from .plotting import Candidates, PosePlotter, Poses
from .sampling import EdgeTable, sample
from .scoring import keypoint_spreads, rank
from .settings import DiskOffsetSettings
from .voting import Peaks, Votes, accumulate, cast_votes, expected_oks, find_peaks


class DiskOffsetDecoder:
    """Decodes a batch of maps; see :class:`DiskOffset` for the steps.

    Voting and sampling run on the maps' device. The later steps (:mod:`.plotting`,
    :mod:`.scoring`) need only numpy and are shipped with exported models.

    Args:
        settings (DiskOffsetSettings): The settings.
    """

    def __init__(self, settings: DiskOffsetSettings) -> None:
        self.settings = settings
        self.plotter = PosePlotter(settings)
        self._on_device: dict[torch.device, EdgeTable] = {}

    def __call__(self, maps: Maps) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Decode maps of one size (B, C, h, w).

        Returns:
            tuple: B arrays each: keypoints (N, K, 2), scores (N, K) and people's scores (N,).

        Raises:
            FloatingPointError: If an offset that the decoder follows is NaN or infinite.
        """
        maps = {name: value.contiguous() for name, value in maps.items()}
        num_images = len(maps['heatmaps'])
        votes = cast_votes(maps, self.settings)
        counts = accumulate(votes, num_images * self.settings.num_keypoints, self.settings)
        peaks = find_peaks(counts, self.settings.peak_threshold)
        images = self._candidates(self._sampled(maps, votes, peaks), num_images)
        poses = [self.plotter(candidates) for candidates in images]
        scores = self._keypoint_scores(maps, poses)
        results = [rank(pose, score, self.settings) for pose, score in zip_equal(poses, scores)]
        return tuple(map(list, zip_equal(*results)))  # type: ignore[return-value]

    def _sampled(self, maps: Maps, votes: Votes, peaks: Peaks) -> list[np.ndarray]:
        """Sample the maps at the peaks (P,), and copy the results to the CPU at once.

        Returns:
            list[np.ndarray]: (P, ...) each: plane, position, score, body, then the samples along
            the edges: end scores, whether the end exists, whether the far end is known, the ends
            and the far ends, as x1, y1, x2, y2, ...
        """
        samples = sample(maps, peaks, self._edges(peaks.position.device), self.settings)
        columns = [
            peaks.plane[:, None],
            peaks.position,
            peaks.score[:, None],
            samples.body[:, None],
            samples.end_scores,
            samples.exists,
            samples.known,
            samples.ends.flatten(1),
            samples.far.flatten(1),
        ]
        widths = [column.shape[1] for column in columns]
        check = votes.position.sum().expand(1, sum(widths))
        found = torch.cat([torch.cat(columns, 1), check]).cpu().numpy()
        if not np.isfinite(found).all():
            raise FloatingPointError('an offset that decoding follows is NaN or infinite')
        return np.split(found[:-1], np.cumsum(widths)[:-1], axis=1)

    def _candidates(self, sampled: list[np.ndarray], num_images: int) -> list[Candidates]:
        """Return the candidates of each image from :meth:`_sampled`."""
        plane, position, score, body, end_scores, exists, known, ends, far = sampled
        k = self.settings.num_keypoints
        plane = plane[:, 0].astype(np.int64)
        ends = ends.reshape(*exists.shape, 2)
        far = far.reshape(*known.shape, 2)
        ends[exists == 0] = far[known == 0] = np.nan
        image = plane // k
        images = []
        for index in range(num_images):
            mine = np.nonzero(image == index)[0]
            candidates = Candidates(
                plane[mine] % k,
                position[mine],
                score[mine, 0],
                ends[mine],
                end_scores[mine],
                far[mine],
                body[mine, 0],
            )
            images.append(candidates)
        return images

    def _keypoint_scores(self, maps: Maps, poses: list[Poses]) -> list[np.ndarray]:
        """Return the keypoints' scores, one array (N, K) per image."""
        device = maps['heatmaps'].device
        h, w = maps['heatmaps'].shape[-2:]
        k = self.settings.num_keypoints
        people = [len(pose.keypoints) for pose in poses]
        points = np.concatenate([pose.keypoints for pose in poses]).reshape(-1, 2)
        spread = [keypoint_spreads(pose, self.settings) for pose in poses]
        spread = np.concatenate(spread).reshape(-1, 1)
        image = np.repeat(np.arange(len(poses)), people).repeat(k)
        plane = (image * k + np.tile(np.arange(k), sum(people)))[:, None]
        values = np.concatenate([points, spread, plane], 1).astype(np.float32)
        values = torch.from_numpy(values).to(device)
        points, spread, plane = values[:, :2], values[:, 2], values[:, 3].long()
        pitch = cell_pitch(self.settings.input_size, (w, h)).to(device)
        cell, _ = nearest_cells(points, (w, h), pitch)
        scores = read(maps['heatmaps'].view(1, -1, h, w), torch.zeros_like(plane), plane, cell)
        if self.settings.keypoint_score == 'expected_oks':
            scores = scores * expected_oks(maps, plane, points, spread, self.settings)
        scores = scores.cpu().numpy().reshape(-1, k)
        scores = np.where(np.concatenate([pose.placed for pose in poses]), scores, 0)
        return np.split(scores, np.cumsum(people)[:-1])

    def _edges(self, device: torch.device) -> EdgeTable:
        """Return the directed edges, copied to a device once."""
        if device not in self._on_device:
            with torch.inference_mode(False):
                self._on_device[device] = EdgeTable.of(self.settings, device)
        return self._on_device[device]
