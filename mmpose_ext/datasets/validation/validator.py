# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find all faults of a keypoint file, or only those that stop training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmpose_ext.utils.errors import ArgumentError, DataError
from mmpose_ext.utils.ranges import require_least, require_one_of
from mmpose_ext.utils.reading import read_json
from mmpose_ext.utils.sequences import zip_equal

from .categories import check_keypoint_order
from .evaluation import check_zero_ids, several_categories
from .formats import LSP_KEYPOINTS, MPII_KEYPOINTS, lsp_to_coco, most_common_count, mpii_to_coco
from .image_files import DEPTHS, check_image_files
from .joints_file import load_joints
from .kinds import Finding
from .people import (
    box_faults,
    check_areas_and_crowds,
    check_boxes,
    check_emptiness,
    check_keypoint_values,
    check_labels,
    keypoint_rows,
)
from .report import Report
from .segmentation import check_segmentations
from .structure import Entries, check_categories, check_structure
from .units import check_areas, check_boxes_of_people, check_keypoint_units
from .values import is_number, is_row, to_matrix

FORMATS = ('auto', 'coco', 'mpii', 'lsp')
_KEYPOINTS = dict(mpii=MPII_KEYPOINTS, lsp=LSP_KEYPOINTS)
NO_USABLE_PERSON = (
    'no person in it has a bbox of positive size, at least one labeled keypoint and iscrowd 0'
)


def validate(
    ann_file: str | os.PathLike,
    image_dir: str | os.PathLike | None = None,
    depth: str | None = None,
    format: str = 'auto',
    num_keypoints: int | None = None,
    needs_people: bool = True,
    workers: int | None = None,
    keypoint_names: Sequence[str] | None = None,
) -> Report:
    """List all faults of a keypoint file.

    Args:
        ann_file (str | os.PathLike): COCO's JSON (including LSP's from tools/lsp2coco.py), MPII's
            JSON as mmpose reads it, or the ``joints.mat`` of LSP or LSPET.
        image_dir (str | os.PathLike, optional): The folder of the images, needed for all depths but
            'annotations'.
        depth (str, optional): ``'annotations'`` checks only the file; ``'files'`` also checks that
            the images exist; ``'headers'`` also checks their sizes and ends; ``'images'`` also
            decodes them. Defaults to 'files' with ``image_dir``, else to 'annotations'.
        format (str): ``'coco'``, ``'mpii'``, ``'lsp'`` (joints.mat), or ``'auto'`` to detect it by
            the content. Defaults to ``'auto'``.
        num_keypoints (int, optional): K. Defaults to the number in the file's category, or else the
            number that most annotations have; 16 for MPII and 14 for joints.mat.
        needs_people (bool): Whether a file without a usable person is a fault. Defaults to True.
        workers (int, optional): Threads that read images. Defaults to the number of processors, but
            at most 16.
        keypoint_names (Sequence[str], optional): The metainfo's K names, in order, to compare with
            the file's.

    Returns:
        Report: The findings. A file that cannot be read is a finding too.

    Raises:
        ArgumentError: If an argument has none of these values.
    """
    depth = depth or ('annotations' if image_dir is None else 'files')
    require_one_of(DEPTHS, depth=depth)
    require_one_of(FORMATS, format=format)
    require_least(1, num_keypoints=num_keypoints, workers=workers)
    if depth != 'annotations' and image_dir is None:
        raise ArgumentError(
            '{} {depth!r} needs {}, the folder of the images', 'depth', 'image_dir', depth=depth
        )
    report = Report(str(ann_file), depth=depth)
    try:
        content, report.format, report.findings = _read(str(ann_file), format)
    except DataError as error:
        report.findings = [Finding('file-unreadable', detail=str(error))]
        return report
    default = {'mpii': MPII_KEYPOINTS, 'lsp': LSP_KEYPOINTS}.get(report.format) or _keypoints_of(
        content
    )
    is_coco = report.format == 'coco'
    entries, findings = check_structure(content, num_keypoints or default, needs_sizes=is_coco)
    if depth != 'annotations':
        found, report.files_checked = check_image_files(entries, str(image_dir), depth, workers)
        findings += found
    if isinstance(content, dict):
        findings += check_categories(entries, content)
        findings += check_keypoint_order(content, keypoint_names or ())
    if is_coco:
        findings += check_zero_ids(entries)
        findings += several_categories(content)
    keypoints = keypoint_rows(entries)
    if is_coco:
        findings += check_keypoint_units(entries, keypoints)
        findings += check_boxes_of_people(entries, keypoints)
        findings += check_areas(entries)
    findings += _annotation_findings(entries, keypoints, needs_people, needs_area=is_coco)
    if report.format == 'mpii':  # its boxes are computed from a center and a scale
        findings = [f for f in findings if f.kind != 'bbox-partly-outside']
    report.people = int(usable_people(entries, keypoints).sum())
    if needs_people and not report.people and not _is_empty(findings):
        findings.append(Finding('no-usable-person', detail=NO_USABLE_PERSON))
    report.images, report.annotations = len(entries.images), len(entries.annotations)
    report.findings += _with_annotations(entries, findings)
    report.file_names = _file_names(entries, report.findings)
    return report


def check_for_training(
    content: object,
    num_keypoints: int,
    needs_people: bool = True,
    keypoint_names: Sequence[str] = (),
) -> list[Finding]:
    """Return the findings on a parsed COCO file that stop training, those of severity 'fatal'.

    Args:
        content (object): The parsed file.
        num_keypoints (int): K of the data set's metainfo.
        needs_people (bool): Whether the file must have at least one labeled keypoint. Defaults to
            True.
        keypoint_names (Sequence[str]): The metainfo's K names, to compare with the file's. Defaults
            to no comparison.
    """
    entries, findings = check_structure(content, num_keypoints)
    keypoints = keypoint_rows(entries)
    findings += check_boxes(entries)
    findings += check_keypoint_values(entries, keypoints)
    findings += check_keypoint_units(entries, keypoints)
    findings += check_areas_and_crowds(entries)
    if isinstance(content, dict):
        findings += check_keypoint_order(content, keypoint_names)
        if needs_people:
            findings += check_emptiness(entries, keypoints)
    return [finding for finding in findings if finding.severity == 'fatal']


def check_for_bottom_up(content: object) -> list[Finding]:
    """Return the findings on segmentations, which bottom-up training draws.

    Args:
        content (object): The parsed file.
    """
    entries, _ = check_structure(content, 0)
    return [f for f in check_segmentations(entries) if f.severity != 'warning']


def usable_people(entries: Entries, keypoints: tuple) -> np.ndarray:
    """Return which annotations (N,) become top-down samples by mmpose's ``_is_valid_instance``.

    Args:
        entries (Entries): The annotations.
        keypoints (tuple): Their :func:`keypoint_rows`.
    """
    usable = np.zeros(len(entries.annotations), bool)
    indices, values, odd = keypoints
    good = ~odd & np.isfinite(values).all((1, 2))
    usable[indices[good]] = (values[good][..., :2] > 0).any((1, 2))
    usable &= entries.rows >= 0
    for index in np.flatnonzero(usable):
        annotation = entries.annotations[index]
        crowd, count = annotation.get('iscrowd', 0), annotation.get('num_keypoints', 1)
        usable[index] = not crowd and count != 0 and is_row(annotation.get('bbox'), 4)
    rows = np.flatnonzero(usable)
    boxes, _ = to_matrix([entries.annotations[index]['bbox'] for index in rows], 4)
    empty, outside, _ = box_faults(boxes, entries.annotation_sizes()[rows])
    usable[rows] = ~empty & ~outside & np.isfinite(boxes).all(1)
    return usable


def _annotation_findings(
    entries: Entries, keypoints: tuple, needs_people: bool, needs_area: bool
) -> list[Finding]:
    findings = check_boxes(entries)
    findings += check_keypoint_values(entries, keypoints)
    findings += check_labels(entries, keypoints)
    findings += check_areas_and_crowds(entries, needs_area)
    findings += check_segmentations(entries)
    if needs_people:
        findings += check_emptiness(entries, keypoints)
    return findings


def _read(ann_file: str, format: str) -> tuple[object, str, list[Finding]]:
    """Return the content in COCO's form, its format, and faults of another form's entries."""
    if format == 'lsp' or (format == 'auto' and ann_file.endswith('.mat')):
        return lsp_to_coco(*load_joints(ann_file)), 'lsp', []
    content = read_json(ann_file, 'annotation file')
    if format == 'mpii' or (format == 'auto' and _is_mpii(content)):
        content, findings = mpii_to_coco(content)
        return content, 'mpii', findings
    return content, 'coco', []


def _is_mpii(content: object) -> bool:
    """Return whether a list's entries look like MPII's people, not like detections."""
    if not isinstance(content, list):
        return False
    return any(isinstance(entry, dict) and 'joints' in entry for entry in content)


def _keypoints_of(content: object) -> int:
    """Return K of the file's first category with keypoints, or else of most annotations."""
    if not isinstance(content, dict):
        return 0
    categories, annotations = content.get('categories'), content.get('annotations')
    for category in categories if is_row(categories) else ():
        if isinstance(category, dict) and is_row(category.get('keypoints')):
            if category['keypoints']:
                return len(category['keypoints'])
    people = annotations if is_row(annotations) else ()
    return most_common_count([a.get('keypoints') for a in people if isinstance(a, dict)])


def _is_empty(findings: list[Finding]) -> bool:
    kinds = {finding.kind for finding in findings}
    return bool(kinds & {'format', 'no-images', 'no-people', 'all-unlabeled'})


def _with_annotations(entries: Entries, findings: list[Finding]) -> list[Finding]:
    """Add to each image's finding the annotations that it concerns."""
    images = {f.id for f in findings if f.item == 'image'}
    annotations: dict = {}
    for row, annotation_id in zip_equal(entries.rows.tolist(), entries.annotation_ids):
        if row >= 0 and entries.image_ids[row] in images:
            annotations.setdefault(entries.image_ids[row], []).append(annotation_id)
    return [
        replace(f, annotation_ids=tuple(annotations.get(f.id, ()))) if f.item == 'image' else f
        for f in findings
    ]


def _file_names(entries: Entries, findings: list[Finding]) -> dict:
    wanted = {f.id if f.item == 'image' else f.image_id for f in findings}
    return {
        image_id: image['file_name']
        for image_id, image in zip_equal(entries.image_ids, entries.images)
        if image_id in wanted and is_number(image_id) and isinstance(image.get('file_name'), str)
    }
