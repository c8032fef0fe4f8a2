# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Convert a model's samples to scored people by the rules of mmpose's ``CocoMetric``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmpose.evaluation.functional import oks_nms, soft_oks_nms
from mmpose.evaluation.metrics import CocoMetric
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmpose_ext.utils.sequences import zip_equal


@dataclass(frozen=True)
class Person:
    """One predicted person.

    Attributes:
        keypoints (np.ndarray): (K, 3): x, y in the image's pixels, score.
        score (float): The person's score, by which AP ranks people.
        box (np.ndarray | None): (4,) x1, y1, x2, y2; None if the model gives none.
        area (float): The person's area in square pixels, for non-maximum suppression.
    """

    keypoints: np.ndarray
    score: float
    box: np.ndarray | None
    area: float


@dataclass(frozen=True)
class InstanceScoring:
    """``CocoMetric``'s scores and non-maximum suppression, which give a results file the same AP.

    Args:
        sigmas (np.ndarray): (K,) sigmas of the data set.
        score_mode (str): ``'bbox'``, ``'keypoint'``, ``'bbox_rle'`` or ``'bbox_keypoint'``.
            Defaults to ``'bbox_keypoint'``.
        keypoint_score_thr (float): In ``'bbox_keypoint'``, keypoints with a score below it do not
            count. Defaults to 0.2.
        nms_mode (str): ``'oks_nms'``, ``'soft_oks_nms'`` or ``'none'``. Defaults to ``'oks_nms'``.
        nms_thr (float): Object keypoint similarity at which two people count as the same. Defaults
            to 0.9.
    """

    sigmas: np.ndarray
    score_mode: str = 'bbox_keypoint'
    keypoint_score_thr: float = 0.2
    nms_mode: str = 'oks_nms'
    nms_thr: float = 0.9

    @classmethod
    def from_config(cls, cfg: Config, dataset_meta: dict) -> InstanceScoring:
        """Build it with the config's test evaluator's settings, or ``CocoMetric``'s defaults."""
        evaluators = cfg.get('test_evaluator') or []
        evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
        options: dict = {}
        for evaluator in evaluators:
            if _is_coco_metric(evaluator.get('type')):
                names = ('score_mode', 'keypoint_score_thr', 'nms_mode', 'nms_thr')
                options = {name: evaluator[name] for name in names if name in evaluator}
                break
        return cls(np.asarray(dataset_meta['sigmas']), **options)

    def __call__(self, samples: Sequence[PoseDataSample]) -> list[Person]:
        """Score the people of one image and remove duplicates.

        Args:
            samples (Sequence[PoseDataSample]): One sample per person (top-down) or one with all
                people (bottom-up).

        Returns:
            list[Person]: The people, best first unless ``nms_mode`` is ``'none'``.
        """
        people = [person for sample in samples for person in self._people(sample)]
        if not people or self.nms_mode == 'none':
            return people
        suppress = oks_nms if self.nms_mode == 'oks_nms' else soft_oks_nms
        records = [dict(keypoints=p.keypoints, score=p.score, area=p.area) for p in people]
        return [people[index] for index in suppress(records, self.nms_thr, sigmas=self.sigmas)]

    def _people(self, sample: PoseDataSample) -> list[Person]:
        found = sample.pred_instances
        keypoints, scores = _array(found.keypoints), _array(found.keypoint_scores)
        given: Any = sample.gt_instances if 'gt_instances' in sample else {}
        if 'bbox_scores' in found:
            box_scores = _array(found.bbox_scores)
        elif 'bbox_scores' in given and len(given.bbox_scores) == len(keypoints):
            box_scores = _array(given.bbox_scores)
        else:
            box_scores = np.ones(len(keypoints))
        if 'bbox_scales' in given:
            areas = _array(given.bbox_scales).prod(axis=1)
        else:
            areas = np.ptp(keypoints[..., :2], axis=1).prod(axis=1)
        boxes = _array(found.bboxes) if 'bboxes' in found else [None] * len(keypoints)
        totals = self._scores(scores, box_scores)
        points = np.concatenate((keypoints[..., :2], scores[..., None]), axis=-1)
        return [Person(*person) for person in zip_equal(points, map(float, totals), boxes, areas)]

    def _scores(self, keypoint_scores: np.ndarray, box_scores: np.ndarray) -> np.ndarray:
        """Combine keypoint scores (N, K) and box scores (N,) to scores (N,)."""
        if self.score_mode == 'bbox':
            return box_scores
        if self.score_mode == 'keypoint':
            return keypoint_scores.mean(axis=1)
        if self.score_mode == 'bbox_rle':
            return box_scores + keypoint_scores.mean(axis=1) + keypoint_scores.max(axis=1)
        counted = keypoint_scores > self.keypoint_score_thr
        total = (keypoint_scores * counted).sum(axis=1)
        return box_scores * total / np.maximum(counted.sum(axis=1), 1)


def _is_coco_metric(kind: object) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, CocoMetric)
    return str(kind).split('.')[-1] in ('CocoMetric', 'CheckedCocoMetric')


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    """Convert a tensor or array to an array on the CPU."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
