# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""From disk heatmaps and offsets to scored people (StrongPose, Sections III-C and III-D)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .kinematic_graph import Edge, directed_edges, edges_from
from .plotting import Candidates, PosePlotter, Poses, keep_best
from .sampling import cell_pitch, nearest_cells, read, sample
from .scoring import (
    COCO_SIGMAS,
    NMS_KINDS,
    box_areas,
    claimed_scores,
    hard_nms,
    oks_matrix,
    soft_nms,
)
from .voting import Peaks, VoteMaps, Votes, accumulate, cast_votes, expected_oks, find_peaks

#: How a keypoint's score is found.
KEYPOINT_SCORES = ('expected_oks', 'heatmap')


class DiskOffsetDecoder:
    """Decodes a batch of maps; see :class:`DiskOffset` for the steps and the settings.

    Args:
        input_size (tuple[int, int]): Of the network's input in pixels, [w, h].
        edges (Sequence[tuple[int, int]]): The kinematic graph.
        radius (float): R in input pixels.
        sigmas (Sequence[float], optional): K precisions T_k. Defaults to COCO's.
        vote_threshold (float): This and all that follow: see :class:`DiskOffset`.

    Raises:
        ValueError: If a setting is not one of the allowed ones.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        edges: Sequence[Edge],
        radius: float,
        *,
        vote_threshold: float,
        vote_spacing: float,
        vote_step: float,
        peak_threshold: float,
        max_candidates: int,
        snap_radius: float,
        seed_radius: float,
        join_radius: float,
        body_threshold: float,
        rescue: bool,
        max_people: int,
        keypoint_score: str,
        sigmas: Sequence[float] | None,
        nms: str,
        nms_radius: float,
        nms_threshold: float,
        score_threshold: float,
    ) -> None:
        self.input_size = input_size
        self.edges = edges
        self.radius = radius
        self.num_keypoints = len(edges) + 1
        self.vote_threshold = vote_threshold
        self.vote_spacing = vote_spacing
        self.vote_step = vote_step
        self.peak_threshold = peak_threshold
        self.max_candidates = max_candidates
        self.plotter = PosePlotter(
            self.edges,
            self.num_keypoints,
            snap_radius,
            seed_radius,
            join_radius,
            body_threshold,
            vote_threshold,
            rescue,
            max_people,
        )
        self.keypoint_score = keypoint_score
        self.sigmas = np.array(COCO_SIGMAS if sigmas is None else sigmas, np.float32)
        self.nms = nms
        self.nms_radius = nms_radius
        self.nms_threshold = nms_threshold
        self.score_threshold = score_threshold
        self._check()
        self._on_device: dict[torch.device, Maps] = {}

    def __call__(self, maps: Maps) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Decode maps of one size (B, C, h, w).

        Returns:
            tuple: B arrays each: keypoints (N, K, 2), scores (N, K) and people's scores (N,).

        Raises:
            FloatingPointError: If an offset that is followed is NaN or infinite.
        """
        maps = {name: value.contiguous() for name, value in maps.items()}
        num_images, _, h, w = maps['heatmaps'].shape
        votes = cast_votes(
            maps['heatmaps'],
            maps['short_offsets'],
            cell_pitch(self.input_size, (w, h)),
            self.radius,
            self.vote_threshold,
            self.vote_spacing,
        )
        planes = num_images * self.num_keypoints
        counts = accumulate(votes, planes, self.input_size, self.vote_step)
        peaks = find_peaks(counts, self.peak_threshold)
        images = self._candidates(maps, votes, peaks)
        poses = [self.plotter(candidates) for candidates in images]
        scores = self._keypoint_scores(maps, counts, poses)
        results = [self._rank(pose, score) for pose, score in zip_equal(poses, scores)]
        return tuple(list(values) for values in zip_equal(*results))

    def _candidates(self, maps: Maps, votes: Votes, peaks: Peaks) -> list[Candidates]:
        """Sample what the candidates predict, and bring it to the CPU in one copy."""
        fixed = self._constants(peaks.position.device)
        h, w = maps['heatmaps'].shape[-2:]
        k = self.num_keypoints
        keypoint = peaks.plane % k
        image = peaks.plane.div(k, rounding_mode='floor')
        samples = sample(
            maps,
            image,
            keypoint,
            peaks.position,
            cell_pitch(self.input_size, (w, h)).to(peaks.position.device),
            fixed['edges_from'],
            fixed['edge_ends'],
            self.vote_threshold,
        )
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
            raise FloatingPointError('an offset that is followed is NaN or infinite')
        found = found[:-1]
        plane, position, score, body, end_scores, exists, known, ends, far = np.split(
            found, np.cumsum(widths)[:-1], axis=1
        )
        plane = plane[:, 0].astype(np.int64)
        ends = ends.reshape(*exists.shape, 2)
        far = far.reshape(*known.shape, 2)
        ends[exists == 0] = far[known == 0] = np.nan
        image = plane // k
        images = []
        for index in range(len(maps['heatmaps'])):
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
            images.append(keep_best(candidates, self.max_candidates))
        return images

    def _keypoint_scores(
        self, maps: Maps, counts: VoteMaps, poses: list[Poses]
    ) -> list[np.ndarray]:
        """Give the keypoints' scores, an array (N, K) an image."""
        device = counts.raw.device
        h, w = maps['heatmaps'].shape[-2:]
        k = self.num_keypoints
        people = [len(pose.keypoints) for pose in poses]
        points = np.concatenate([pose.keypoints for pose in poses]).reshape(-1, 2)
        sizes = [np.sqrt(box_areas(pose.keypoints, pose.found)) for pose in poses]
        spread = (np.concatenate(sizes)[:, None] * (2 * self.sigmas)).reshape(-1, 1)
        image = np.repeat(np.arange(len(poses)), people).repeat(k)
        plane = (image * k + np.tile(np.arange(k), sum(people)))[:, None]
        values = np.concatenate([points, spread, plane], 1).astype(np.float32)
        values = torch.from_numpy(values).to(device)
        points, spread, plane = values[:, :2], values[:, 2], values[:, 3].long()
        cell, _ = nearest_cells(points, (w, h), cell_pitch(self.input_size, (w, h)).to(device))
        scores = read(maps['heatmaps'].view(1, -1, h, w), torch.zeros_like(plane), plane, cell)
        if self.keypoint_score == 'expected_oks':
            scores = scores * expected_oks(counts, plane, points, spread, self.radius)
        scores = scores.cpu().numpy().reshape(-1, k)
        scores = np.where(np.concatenate([pose.placed for pose in poses]), scores, 0)
        return np.split(scores, np.cumsum(people)[:-1])

    def _rank(self, pose: Poses, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Score the people of an image, suppress repeated ones, and put the best first."""
        people = scores.mean(-1) if len(scores) else np.zeros(0, np.float32)
        keep = np.argsort(-people, kind='stable')
        if self.nms == 'claimed':
            people = claimed_scores(pose.keypoints, scores, keep, self.nms_radius)
        elif self.nms.endswith('_oks'):
            areas = box_areas(pose.keypoints, pose.found)
            oks = oks_matrix(pose.keypoints, areas, self.sigmas)
            if self.nms == 'hard_oks':
                keep = hard_nms(oks, people, self.nms_threshold)
            else:
                people = soft_nms(oks, people, self.nms_threshold)
        keep = keep[np.argsort(-people[keep], kind='stable')]
        keep = keep[people[keep] > self.score_threshold]
        return pose.keypoints[keep], scores[keep], people[keep].astype(np.float32)

    def _constants(self, device: torch.device) -> Maps:
        """Give the directed edges' ends (D,) and each keypoint's edges (K, X), -1 to fill up."""
        if device not in self._on_device:
            with torch.inference_mode(False):
                ends = torch.tensor([end for _, end in directed_edges(self.edges)])
                outgoing = torch.tensor(edges_from(self.edges, self.num_keypoints))
            self._on_device[device] = dict(
                edge_ends=ends.to(device), edges_from=outgoing.to(device)
            )
        return self._on_device[device]

    def _check(self) -> None:
        name = 'DiskOffset'
        if self.keypoint_score not in KEYPOINT_SCORES:
            raise ValueError(
                f'{name}: keypoint_score must be one of {KEYPOINT_SCORES}, got '
                f'{self.keypoint_score!r}.'
            )
        if self.nms not in NMS_KINDS:
            raise ValueError(f'{name}: nms must be one of {NMS_KINDS}, got {self.nms!r}.')
        if len(self.sigmas) != self.num_keypoints:
            raise ValueError(
                f'{name}: {len(self.sigmas)} sigmas for {self.num_keypoints} keypoints. Give those '
                "of the data set's metainfo."
            )
        for setting in ('vote_threshold', 'vote_spacing', 'vote_step', 'peak_threshold'):
            if not getattr(self, setting) > 0:
                raise ValueError(
                    f'{name}: {setting} must be above 0, got {getattr(self, setting)}.'
                )
