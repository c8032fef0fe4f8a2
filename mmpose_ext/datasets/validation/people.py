# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check the annotations' boxes, keypoints, areas and crowd marks."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmpose_ext.utils.sequences import zip_equal

from .kinds import Finding
from .structure import Entries
from .values import is_crowd_mark, is_number, is_row, shorten, to_matrix

EDGE = 1.0  # px that a box may exceed the image, by rounding
_ROUNDING = 0.5  # px beyond the centers of the image's outermost pixels


def check_boxes(entries: Entries) -> list[Finding]:
    """Check [x, y, w, h] of each annotation: 4 finite numbers, a positive area, inside the image.

    A box is outside if nothing of it remains within [0, w - 1] x [0, h - 1], to which mmpose clips
    it.
    """
    boxes: list[Any] = [annotation.get('bbox') for annotation in entries.annotations]
    findings = [
        entries.finding('bbox-missing', index)
        for index, annotation in enumerate(entries.annotations)
        if 'bbox' not in annotation
    ]
    rows = [index for index, box in enumerate(boxes) if is_row(box, 4)]
    values, odd = to_matrix([boxes[index] for index in rows], 4)
    good = np.isfinite(values).all(1) & ~odd
    fine = np.zeros(len(boxes), bool)
    fine[np.array(rows, np.int64)[good]] = True
    for index, annotation in enumerate(entries.annotations):
        if not fine[index] and 'bbox' in annotation:
            detail = shorten(boxes[index])
            findings.append(entries.finding('bbox-malformed', index, detail=detail))
    values, indices = values[good], np.flatnonzero(fine)
    if _is_normalized(values, entries):
        findings.append(
            entries.finding('normalized', indices[0], detail=shorten(boxes[indices[0]]))
        )
    empty, outside, partly = box_faults(values, entries.annotation_sizes()[indices])
    sizes = entries.annotation_sizes()
    for kind, mask in (
        ('bbox-empty', empty),
        ('bbox-outside', outside),
        ('bbox-partly-outside', partly),
    ):
        for index in indices[mask]:
            detail = f'{shorten(boxes[index])}{_in_image(sizes[index])}'
            findings.append(entries.finding(kind, index, detail=detail))
    return findings


def _is_normalized(boxes: np.ndarray, entries: Entries) -> bool:
    """Return whether boxes (N, 4) are fractions of images: all values between 0 and 1 pixel."""
    positive = boxes[(boxes[:, 2:] > 0).all(1)]
    small = len(positive) > 0 and (positive <= 1).all()
    return bool(small and not (entries.sizes < 16).any())


def box_faults(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which boxes (N, 4), [x, y, w, h], are empty, or outside or partly outside their image.

    Returns:
        tuple: Three (N,) bool arrays; a box is in at most one of them. With an unknown size (NaN),
        no box is outside.
    """
    low, extent = boxes[:, :2], boxes[:, 2:]
    high = low + extent
    empty = (extent <= 0).any(1)
    left = np.minimum(high, sizes - 1) - np.maximum(low, 0)
    outside = ~empty & (left <= 0).any(1)
    partly = ~empty & ~outside & ((low < -EDGE) | (high > sizes + EDGE)).any(1)
    return empty, outside, partly


def keypoint_rows(entries: Entries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the keypoints with the right number of values.

    Returns:
        tuple: Positions of the P annotations, (P, K, 3) float64 with NaN for non-numbers, and (P,)
        bool, True for those with a value that is neither a number nor null.
    """
    length = 3 * entries.num_keypoints
    indices = [
        index
        for index, annotation in enumerate(entries.annotations)
        if is_row(annotation.get('keypoints'), length)
    ]
    rows = [entries.annotations[index]['keypoints'] for index in indices]
    values, odd = to_matrix(rows, length)
    return np.array(indices, np.int64), values.reshape(len(rows), length // 3, 3), odd


def check_keypoint_values(entries: Entries, keypoints: tuple) -> list[Finding]:
    """Check the number of keypoints, that all are finite numbers and no visibility is below 0.

    Args:
        entries (Entries): The annotations.
        keypoints (tuple): Their :func:`keypoint_rows`.
    """
    indices, values, odd = keypoints
    findings = []
    right = set(indices.tolist())
    what = str(entries.num_keypoints)
    for index, annotation in enumerate(entries.annotations):
        if index not in right and 'keypoints' in annotation:
            found = annotation['keypoints']
            detail = f'{len(found)} numbers' if is_row(found) else shorten(found)
            findings.append(entries.finding('keypoint-count', index, what=what, detail=detail))
        elif 'keypoints' not in annotation:
            findings.append(entries.finding('keypoints-missing', index))
    for index in indices[odd]:
        wrong = next(v for v in entries.annotations[index]['keypoints'] if not _may_be_number(v))
        findings.append(entries.finding('keypoints-not-numbers', index, detail=shorten(wrong)))
    infinite = ~np.isfinite(values).all((1, 2)) & ~odd
    for index, person in zip_equal(indices[infinite], values[infinite]):
        numbers = np.flatnonzero(~np.isfinite(person).all(1))
        detail = f'keypoint {_list(numbers)}'
        findings.append(entries.finding('keypoints-not-finite', index, detail=detail))
    negative = values[..., 2] < 0
    for row in np.flatnonzero(negative.any(1)):
        number = int(negative[row].argmax())
        detail = f'keypoint {number}: {values[row, number].tolist()}'
        findings.append(entries.finding('visibility-negative', indices[row], detail=detail))
    return findings


def check_labels(entries: Entries, keypoints: tuple) -> list[Finding]:
    """Check visibilities, positions of the labeled keypoints and num_keypoints.

    A keypoint (x, y) is outside an image of size (w, h) beyond [-0.5, w - 0.5] x [-0.5, h - 0.5].
    mmpose skips people whose num_keypoints is 0, regardless of their keypoints.

    Args:
        entries (Entries): The annotations.
        keypoints (tuple): Their :func:`keypoint_rows`.
    """
    finite = np.isfinite(keypoints[1]).all((1, 2)) & ~keypoints[2]
    indices, values = keypoints[0][finite], keypoints[1][finite]
    position, visible = values[..., :2], values[..., 2]
    sizes = entries.annotation_sizes()[indices]
    labeled = visible > 0
    masks = (
        ('visibility', ~np.isin(visible, (0, 1, 2)) & (visible > 0)),
        ('keypoints-at-origin', labeled & (position == 0).all(-1)),
        ('keypoints-outside', labeled & is_outside(position, sizes[:, None])),
    )
    findings = []
    for kind, mask in masks:
        for row in np.flatnonzero(mask.any(1)):
            numbers = np.flatnonzero(mask[row])
            first = values[row, numbers[0]]
            detail = (
                f'keypoint {_list(numbers)}; the first: {first.tolist()}{_in_image(sizes[row])}'
            )
            findings.append(entries.finding(kind, indices[row], detail=detail))
    return findings + _check_num_keypoints(entries, indices, labeled.sum(1))


def is_outside(positions: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return which positions (..., 2) are outside images of sizes (..., 2); none for NaN sizes."""
    return ((positions < -_ROUNDING) | (positions > sizes - 1 + _ROUNDING)).any(-1)


def check_areas_and_crowds(entries: Entries, needs_area: bool = True) -> list[Finding]:
    """Check area (present and finite) and iscrowd (0 or 1).

    Args:
        entries (Entries): The annotations.
        needs_area (bool): Whether all must have an area, as testing requires. CrowdPose does not
            need it. Defaults to True.
    """
    needs_area = needs_area and not any('crowdIndex' in image for image in entries.images)
    findings = []
    for index, annotation in enumerate(entries.annotations):
        area, crowd = annotation.get('area', 1), annotation.get('iscrowd', 0)
        if not is_number(area):
            findings.append(entries.finding('area-malformed', index, detail=shorten(area)))
        elif needs_area and 'area' not in annotation:
            findings.append(entries.finding('area-missing', index))
        if not is_crowd_mark(crowd):
            findings.append(entries.finding('iscrowd', index, detail=shorten(crowd)))
    return findings


def check_emptiness(entries: Entries, keypoints: tuple) -> list[Finding]:
    """Check that there is a person with a box and keypoints, and a labeled keypoint."""
    people = [a for a in entries.annotations if 'bbox' in a and 'keypoints' in a]
    if not people:
        return [Finding('no-people')]
    indices, values, _ = keypoints
    boxed = np.array(['bbox' in entries.annotations[index] for index in indices], bool)
    if len(indices) and not (values[boxed][..., 2] > 0).any():
        text = f'all keypoints of its {len(people)} people are unlabeled (visibility 0)'
        return [Finding('all-unlabeled', detail=text)]
    return []


def _check_num_keypoints(
    entries: Entries, indices: np.ndarray, labeled: np.ndarray
) -> list[Finding]:
    findings = []
    for index, count in zip_equal(indices.tolist(), labeled.tolist()):
        told = entries.annotations[index].get('num_keypoints', count)
        if told == count and is_number(told):
            continue
        misleads = not is_number(told) or told < 0 or told == 0 or count == 0
        kind = 'num-keypoints' if misleads else 'num-keypoints-differs'
        detail = f'num_keypoints {shorten(told)}, {count} labeled'
        findings.append(entries.finding(kind, index, detail=detail))
    return findings


def _may_be_number(value: object) -> bool:
    """Return whether a value is a number, finite or not, or null."""
    return isinstance(value, (int, float, type(None))) and not isinstance(value, bool)


def _in_image(size: np.ndarray) -> str:
    return f' in {size[0]:g}x{size[1]:g}' if np.isfinite(size).all() else ''


def _list(numbers: np.ndarray) -> str:
    more = ', ...' if len(numbers) > 5 else ''
    return ', '.join(map(str, numbers[:5].tolist())) + more
