# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find faults that are harmless in training but stop or falsify COCO's evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from .categories import person_categories
from .kinds import Finding
from .structure import Entries, check_categories, check_structure
from .units import check_areas, is_labeled
from .values import is_crowd_mark, is_row, shorten


def check_for_evaluation(
    content: object,
    num_keypoints: int | None,
    *,
    use_area: bool = True,
    needed_keys: Sequence[str] = (),
    one_category: bool = False,
) -> list[Finding]:
    """List faults of an annotation file that stop ``CocoMetric`` or make its AP wrong.

    Args:
        content (object): The parsed file.
        num_keypoints (int, optional): K of the model. None skips this check.
        use_area (bool): The metric's ``use_area``. Defaults to True.
        needed_keys (Sequence[str]): What annotations must have in addition, such as
            ``num_keypoints`` for ``iou_type`` 'keypoints_crowd'. Defaults to none.
        one_category (bool): Whether all results have one category, as with bottom-up models.
            Defaults to False.
    """
    entries, findings = check_structure(content, num_keypoints or 0)
    findings = [finding for finding in findings if finding.severity == 'fatal']
    if not isinstance(content, dict):
        return findings
    unknown = check_categories(entries, content)
    findings += [f for f in unknown if f.kind in ('categories', 'category-unknown')]
    for index, annotation in enumerate(entries.annotations):
        keypoints = annotation.get('keypoints')
        if keypoints is None:
            findings.append(entries.finding('keypoints-missing', index))
        elif num_keypoints and not is_row(keypoints, 3 * num_keypoints):
            detail = f'{len(keypoints) if is_row(keypoints) else 0} numbers'
            what = str(num_keypoints)
            findings.append(entries.finding('keypoint-count', index, what=what, detail=detail))
        if 'bbox' not in annotation:
            findings.append(entries.finding('bbox-missing', index))
        if use_area and 'area' not in annotation:
            findings.append(entries.finding('area-missing', index))
        for key in needed_keys:
            if key not in annotation:
                findings.append(entries.finding('key-missing', index, what=repr(key)))
        crowd = annotation.get('iscrowd', 0)
        if not is_crowd_mark(crowd):
            findings.append(entries.finding('iscrowd', index, detail=shorten(crowd)))
    if use_area:
        findings += check_areas(entries)
    findings += _check_presence(entries, needs_labels=bool(num_keypoints))
    return findings + (several_categories(content) if one_category else [])


def _check_presence(entries: Entries, needs_labels: bool) -> list[Finding]:
    """Check that COCO's evaluation counts a person, since AP is -1 otherwise.

    It ignores crowds and people without labeled keypoints.
    """
    people = [one for one in entries.annotations if one.get('iscrowd') in (0, None)]
    if not entries.annotations:
        reason = "it has no 'annotations', or none in them"
    elif not people:
        reason = f'iscrowd of all its {len(entries.annotations)} annotations is 1: write 0 for one '
        reason += 'person'
    elif needs_labels and not any(map(is_labeled, people)):
        reason = f'no keypoint of its {len(people)} people has a visibility of 1 or 2'
    else:
        return []
    text = (
        f'{reason}; AP would be -1. Give a file of labeled people, or set format_only=True and '
        'outfile_prefix for CocoMetric, which then writes the results only'
    )
    return [Finding('nothing-to-evaluate', detail=text)]


def check_zero_ids(entries: Entries) -> list[Finding]:
    """Check that no annotation has id 0, which COCO's evaluation takes for 'no match'."""
    return [
        entries.finding('annotation-id-zero', index)
        for index, annotation_id in enumerate(entries.annotation_ids)
        if annotation_id == 0
    ]


def several_categories(content: object) -> list[Finding]:
    """Check that all people have the same category."""
    ids = person_categories(content)
    if len(ids) < 2:
        return []
    text = (
        f'its people are of several categories ({", ".join(map(str, ids))}), which bottom-up '
        'models cannot tell apart: give all the same category_id'
    )
    return [Finding('person-categories', detail=text)]
