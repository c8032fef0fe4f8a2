# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Validation of keypoint files: :mod:`.validator` is the entry, :mod:`.kinds` lists all faults."""

from mmpose_ext.utils.errors import DataError
from mmpose_ext.utils.reading import read_json, require_file

from .categories import COCO_PERSON, detected_category, person_categories, person_category
from .detections import check_detections
from .evaluation import check_for_evaluation
from .image_files import DEPTHS, missing_files
from .kinds import KINDS, Finding, Kind
from .report import Report, by_kind, problem_text, some
from .validator import (
    FORMATS,
    NO_USABLE_PERSON,
    check_for_bottom_up,
    check_for_training,
    validate,
)

__all__ = [
    'COCO_PERSON',
    'DEPTHS',
    'FORMATS',
    'KINDS',
    'NO_USABLE_PERSON',
    'DataError',
    'Finding',
    'Kind',
    'Report',
    'by_kind',
    'check_detections',
    'check_for_bottom_up',
    'check_for_evaluation',
    'check_for_training',
    'detected_category',
    'missing_files',
    'person_categories',
    'person_category',
    'problem_text',
    'read_json',
    'require_file',
    'some',
    'validate',
]
