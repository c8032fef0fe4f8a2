# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The settings of StrongPose's codec, and the constants that its modules share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..setting_checks import check_choice, check_fields, check_number, check_size, check_whole
from .kinematic_graph import COCO_EDGES, Edge, check_tree

#: COCO's 17 precisions sigma_k; OKS uses 2 sigma_k times the person's size.
COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
    0.087, 0.087, 0.089, 0.089,
)  # fmt: skip
#: Kinds of keypoint scores.
KEYPOINT_SCORES = ('expected_oks', 'heatmap')
#: Kinds of suppression of duplicate people.
NMS_KINDS = ('none', 'claimed', 'hard_oks', 'soft_oks')
#: Settings that must be above 0, and those that may also be 0.
ABOVE_0 = (
    'radius', 'vote_threshold', 'vote_spacing', 'vote_step', 'peak_threshold', 'nms_threshold',
)  # fmt: skip
LEAST_0 = (
    'snap_radius', 'seed_radius', 'join_radius', 'refine_steps', 'body_threshold', 'nms_radius',
)  # fmt: skip

#: Empty cells around each map of votes, so that the neighbors of any cell exist.
PAD = 4
#: Shorter offsets to another keypoint, in input pixels, count as unknown, because unknown offsets
#: are drawn as 0.
LEAST_OFFSET = 0.5
#: The least standard deviation of a keypoint, in input pixels, because the box around a single
#: found keypoint says nothing about the person's size.
LEAST_SPREAD = 1.0
#: The body heatmap is read at a candidate and this many input pixels up, down, left and right of
#: it, because joints lie at the border of a segment.
BODY_REACH = 4.0


@dataclass(frozen=True)
class DiskOffsetSettings:
    """Settings of :class:`DiskOffset`. To add one, add a field here and use it.

    Exported models hold these fields as JSON, and contain this module. It needs no packages.

    Args:
        input_size (tuple[int, int]): Size of the network's input in pixels, [w, h].
        edges (tuple[tuple[int, int], ...]): The kinematic graph, a tree. Defaults to COCO's.
        radius (float): R in input pixels. Defaults to 16.
        vote_threshold (float): Positions with a lower heatmap do not vote. Defaults to 0.1.
        vote_spacing (float): Approximate distance of voting positions in input pixels: in finer
            maps, only every n-th row and column votes. Defaults to 4, which gives 50 votes per
            disk.
        vote_step (float): Input pixels between the cells in which votes are counted. Smaller cells
            separate people who are closer; larger cells keep the votes of a disk together if short
            offsets err. Defaults to 5, the best on maps with errors of 0 to 5 px
            (docs/strongpose.md).
        peak_threshold (float): Least share of a whole disk's votes in a candidate. Defaults to
            0.02, because a keypoint has only part of its disk if disks overlap.
        max_candidates (int): Largest number of candidates per image and keypoint; the best are
            kept. Defaults to 128.
        snap_radius (float): Largest distance, in input pixels, from a candidate to the end of the
            offset of a linked candidate. Defaults to 32.
        seed_radius (float): No person starts within this distance of the same keypoint of another,
            in input pixels. Defaults to 10.
        join_radius (float): Largest distance, in input pixels, from a keypoint to the end of a long
            offset that agrees with it. Defaults to 28, the best on maps with errors
            (docs/strongpose.md).
        refine_steps (int): How many times the short offset at the end of a mid or long offset moves
            this end, in decoding and in :class:`DiskOffsetHead`'s loss. Defaults to 2, as in the
            authors' code.
        body_threshold (float): Least mean of the body heatmap at a person's candidates; 0 switches
            the check off. Defaults to 0.1.
        rescue (bool): Whether to join parts of people by long offsets. Defaults to True.
        max_people (int): The queue ends at this number of people or parts of people, which limits
            the time for the maps of an untrained network. Defaults to 200.
        keypoint_score (str): ``'expected_oks'`` or ``'heatmap'``. Defaults to ``'expected_oks'``.
        sigmas (tuple[float, ...], optional): K precisions T_k, as in the data set's metainfo.
            Defaults to COCO's.
        nms (str): ``'claimed'``, ``'hard_oks'``, ``'soft_oks'`` or ``'none'``. Defaults to
            ``'claimed'``.
        nms_radius (float): r of Eq. 1 in input pixels. Defaults to 10.
        nms_threshold (float): Largest OKS of ``'hard_oks'``, width of ``'soft_oks'``. Defaults to
            0.5.
        score_threshold (float): People with this score or less are dropped. Defaults to 0.

    Raises:
        ValueError: If a setting is no finite number, whole number or switch where it should be, or
            is out of its range.
    """

    codec: ClassVar[str] = 'DiskOffset'

    input_size: tuple[int, int]
    edges: tuple[Edge, ...] = COCO_EDGES
    radius: float = 16.0
    vote_threshold: float = 0.1
    vote_spacing: float = 4.0
    vote_step: float = 5.0
    peak_threshold: float = 0.02
    max_candidates: int = 128
    snap_radius: float = 32.0
    seed_radius: float = 10.0
    join_radius: float = 28.0
    refine_steps: int = 2
    body_threshold: float = 0.1
    rescue: bool = True
    max_people: int = 200
    keypoint_score: str = 'expected_oks'
    sigmas: tuple[float, ...] | None = None
    nms: str = 'claimed'
    nms_radius: float = 10.0
    nms_threshold: float = 0.5
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        size = check_size(self.codec, 'input_size', self.input_size)
        edges = tuple((self._keypoint(start), self._keypoint(end)) for start, end in self.edges)
        check_tree(edges)
        sigmas = COCO_SIGMAS if self.sigmas is None else self.sigmas
        sigmas = tuple(check_number(self.codec, 'a number in sigmas', s, above=0) for s in sigmas)
        if len(sigmas) != len(edges) + 1:
            raise ValueError(
                f'DiskOffset: {len(sigmas)} sigmas for {len(edges) + 1} keypoints. Give those of '
                "the data set's metainfo."
            )
        for name, value in (('input_size', size), ('edges', edges), ('sigmas', sigmas)):
            object.__setattr__(self, name, value)
        check_fields(self, ABOVE_0, LEAST_0)
        check_choice(self.codec, 'keypoint_score', self.keypoint_score, KEYPOINT_SCORES)
        check_choice(self.codec, 'nms', self.nms, NMS_KINDS)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints K."""
        return len(self.edges) + 1

    def _keypoint(self, index: int) -> int:
        return check_whole(self.codec, 'a keypoint in edges', index, least=0)
