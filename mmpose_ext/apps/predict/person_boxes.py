# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Sources of boxes for a top-down model: a detector, a file or the whole image."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from mmpose.evaluation.functional import nms

from mmpose_ext.apps.shared.image_ids import ImageIds
from mmpose_ext.apps.shared.inputs import Frame
from mmpose_ext.datasets.coco_checks import detection_problems
from mmpose_ext.datasets.validation import detected_category
from mmpose_ext.datasets.validation.values import is_row
from mmpose_ext.utils.errors import ArgumentError, DataError
from mmpose_ext.utils.reading import read_json

from .settings import DETECTOR_BOX_NMS, DETECTOR_BOX_THR, FILE_BOX_THR

if TYPE_CHECKING:  # mmdet is only needed with a detector
    from mmpose_ext.apps.detect.person_detector import PersonDetector


def select_boxes(boxes: np.ndarray, score_thr: float, nms_thr: float | None) -> np.ndarray:
    """Return the boxes (N, 5) with a score above ``score_thr``, after NMS if ``nms_thr`` is set."""
    boxes = boxes[boxes[:, 4] > score_thr]
    return boxes if nms_thr is None or len(boxes) == 0 else boxes[nms(boxes, nms_thr)]


class WholeImageBoxes:
    """One box per image, as large as the image."""

    def __call__(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return (1, 5) per frame: x1, y1, x2, y2 and the score 1."""
        sizes = [frame.pixels.shape[:2] for frame in frames]
        return [np.array([[0, 0, w, h, 1]], np.float32) for h, w in sizes]


@dataclass
class DetectorBoxes:
    """Boxes of an mmdet detector.

    Args:
        detector (PersonDetector): The detector.
        score_thr (float): Boxes need a score above it. Defaults to mmpose's 0.3.
        nms_thr (float | None): Of two boxes with a larger IoU, the better one stays. Defaults to
            mmpose's 0.3.
    """

    detector: PersonDetector
    score_thr: float = DETECTOR_BOX_THR
    nms_thr: float | None = DETECTOR_BOX_NMS

    def __call__(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return (N, 5) per frame: x1, y1, x2, y2 in its pixels and the score."""
        found = self.detector.boxes([frame.pixels for frame in frames])
        return [select_boxes(boxes, self.score_thr, self.nms_thr) for boxes in found]


class FileBoxes:
    """Boxes of a COCO-format detection file, as ``mmpose-ext detect`` writes it.

    Args:
        path (str | os.PathLike): The file. Its people have the annotation file's category, or
            COCO's, 1.
        image_ids (ImageIds): The image ids by file name.
        score_thr (float): Boxes need a score above it. Defaults to -1: all, as in testing.
        nms_thr (float, optional): Of two boxes with a larger IoU, the better one stays. Defaults to
            None: all stay.

    Raises:
        DataError: If the file cannot be used.
        ArgumentError: If the file holds ids but there is no annotation file to map them to names.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        image_ids: ImageIds,
        score_thr: float = FILE_BOX_THR,
        nms_thr: float | None = None,
    ) -> None:
        content = read_json(str(path), 'detection file')
        ids = _image_ids(content)
        if all(isinstance(key, str) for key in ids):  # names; the checks need numbers
            numbers = {name: number for number, name in enumerate(sorted(ids))}
            checked = (
                [dict(d, image_id=numbers[d['image_id']]) for d in content] if ids else content
            )
            problems = detection_problems(checked, set(numbers.values()), '', image_ids.content)
        else:
            problems = detection_problems(content, ids, '', image_ids.content)
        if problems:
            raise DataError(f'detection file {path} cannot be used: {"; ".join(problems)}')
        if image_ids.table is None and not all(isinstance(key, str) for key in ids):
            raise ArgumentError(
                'detection file {path} holds image ids: give the annotation file that names the '
                'images of these ids by {}',
                'ann_file',
                path=path,
            )
        by_image = defaultdict(list)
        category = detected_category(content, image_ids.content)
        for detection in content:
            if detection['category_id'] == category:
                x, y, w, h = detection['bbox'][:4]
                box = [x, y, x + w, y + h, detection['score']]
                by_image[detection['image_id']].append(box)
        self.image_ids = image_ids
        self.boxes = {
            key: select_boxes(np.array(boxes, np.float32), score_thr, nms_thr)
            for key, boxes in by_image.items()
        }

    def __call__(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return (N, 5) per frame: x1, y1, x2, y2 in its pixels and the score; (0, 5) for none."""
        nobody = np.zeros((0, 5), np.float32)
        return [self.boxes.get(self.image_ids.of(frame), nobody) for frame in frames]


def _image_ids(content: object) -> set:
    """Return the image ids of a detection file that are valid: texts and numbers."""
    dicts = [item for item in content if isinstance(item, dict)] if is_row(content) else []
    return {d['image_id'] for d in dicts if isinstance(d.get('image_id'), (str, int, float))}
