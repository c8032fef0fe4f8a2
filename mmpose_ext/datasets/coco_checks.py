# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""List what stops training on a COCO keypoint file or a detection file, in a few words each.

The checks themselves are in :mod:`mmpose_ext.datasets.validation`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmpose_ext.utils.errors import DataError
from mmpose_ext.utils.reading import read_json

from .validation import (
    by_kind,
    check_detections,
    check_for_bottom_up,
    check_for_training,
    problem_text,
)
from .validation.structure import check_structure
from .validation.units import check_areas

__all__ = [
    'DataError',
    'annotation_problems',
    'area_problems',
    'detection_problems',
    'read_json',
    'segmentation_problems',
]


def annotation_problems(
    content: object, num_keypoints: int, needs_people: bool, keypoint_names: Sequence[str] = ()
) -> list[str]:
    """List what makes a COCO keypoint file unusable.

    Keypoints outside the image and images without people are allowed.

    Args:
        content (object): The parsed file.
        num_keypoints (int): K of the data set's metainfo.
        needs_people (bool): Whether the file must have at least one labeled keypoint.
        keypoint_names (Sequence[str]): The metainfo's K names, to compare with the file's. Defaults
            to no comparison.
    """
    findings = check_for_training(content, num_keypoints, needs_people, keypoint_names)
    return [problem_text(group) for group in by_kind(findings)]


def segmentation_problems(content: object) -> list[str]:
    """List what stops bottom-up training at the segmentations of a COCO keypoint file."""
    return [problem_text(group) for group in by_kind(check_for_bottom_up(content))]


def area_problems(content: object) -> list[str]:
    """List what makes the areas of a COCO keypoint file useless for evaluation."""
    entries, _ = check_structure(content, 0)
    return [problem_text(group) for group in by_kind(check_areas(entries))]


def detection_problems(
    content: object, known_images: set, ann_file: str, annotations: object = None
) -> list[str]:
    """List what makes a person-detection file unusable; see
    :func:`mmpose_ext.datasets.validation.check_detections`.
    """
    findings = check_detections(content, known_images, ann_file, annotations)
    return [problem_text(group) for group in by_kind(findings)]
