# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Convert MPII's and LSP's annotation files to COCO's format, for the same checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmpose_ext.utils.sequences import zip_equal

from .kinds import Finding
from .values import is_number, is_row, shorten

MPII_KEYPOINTS, LSP_KEYPOINTS = 16, 14
MPII_KEYS = ('image', 'center', 'scale', 'joints', 'joints_vis')
_MPII_PIXELS = 200.0  # size of a person of scale 1


def mpii_to_coco(content: object) -> tuple[dict, list[Finding]]:
    """Convert MPII's annotations as mmpose reads them: a list of dicts, one per person.

    Each has image (a file name that starts with an integer, mmpose's image id), center [x, y] and
    scale of the person, joints (16, 2) and joints_vis (16,), 0 or 1. A person's id is its position
    in the list. Boxes are computed as in mmpose: a side is 200 pixels times the scale, the center
    is moved down by 15 times the scale, and pixels count from 0. Many boxes exceed the image.

    Returns:
        tuple: COCO's dict, whose images have no size, and the faults of the entries' form. Values
        of a wrong type stay in the dict for COCO's checks.
    """
    if not isinstance(content, list):
        text = f'it holds a {type(content).__name__}, not a list of people'
        return dict(images=[], annotations=[]), [Finding('format', detail=text)]
    findings: list[Finding] = []
    images: dict[int, dict] = {}
    annotations = []
    for index, entry in enumerate(content):
        if not isinstance(entry, dict):
            findings.append(Finding('not-a-dict', 'annotation', index, detail=shorten(entry)))
            continue
        missing = [key for key in MPII_KEYS if key not in entry]
        findings += [Finding('key-missing', 'annotation', index, what=repr(key)) for key in missing]
        if missing:
            continue
        number = _image_number(entry['image'])
        if number is None:
            detail = f'{shorten(entry["image"])}: mmpose takes its number for the image id'
            findings.append(Finding('file-name', 'annotation', index, detail=detail))
            continue
        images.setdefault(number, dict(id=number, file_name=entry['image']))
        annotations.append(
            dict(
                id=index,
                image_id=number,
                category_id=1,
                bbox=_mpii_box(entry['center'], entry['scale']),
                keypoints=_mpii_keypoints(entry['joints'], entry['joints_vis']),
            )
        )
    categories = [dict(id=1, name='person')]
    content = dict(images=list(images.values()), annotations=annotations, categories=categories)
    return content, findings


def lsp_to_coco(joints: np.ndarray, digits: int) -> dict:
    """Convert LSP's or LSPET's array to COCO's dict, without the images' sizes.

    Args:
        joints (np.ndarray): (N, 14, 3) [x, y, COCO's visibility] from ``load_joints``.
        digits (int): Number of digits in the data set's file names.
    """
    numbers = range(1, len(joints) + 1)
    annotations = [
        dict(id=n, image_id=n, category_id=1, bbox=_labeled_box(person), keypoints=flat)
        for n, person, flat in zip_equal(numbers, joints, joints.reshape(len(joints), -1).tolist())
    ]
    return dict(
        images=[dict(id=n, file_name=f'im{n:0{digits}}.jpg') for n in numbers],
        annotations=annotations,
        categories=[dict(id=1, name='person')],
    )


def _labeled_box(person: np.ndarray) -> list[float]:
    """Return the converter's box before its margins, at least 1 px large."""
    labeled = person[(person[:, 2] > 0) & np.isfinite(person).all(1), :2]
    if not len(labeled):
        return [0.0, 0.0, 1.0, 1.0]
    low, high = labeled.min(0), labeled.max(0)
    return [*low.tolist(), *np.maximum(high - low, 1).tolist()]


def _image_number(name: Any) -> int | None:
    try:
        return int(name.split('.')[0])
    except (AttributeError, ValueError):
        return None


def _mpii_box(center: object, scale: object) -> object:
    if not is_row(center, 2) or not is_number(scale) or not all(map(is_number, center)):
        return dict(center=center, scale=scale)  # the check of boxes refuses these
    x, y = center
    extent = scale * _MPII_PIXELS
    y = y + 15 * scale if x != -1 else y
    return [x - 1 - extent / 2, y - 1 - extent / 2, extent, extent]


def _mpii_keypoints(joints: object, visible: object) -> object:
    if not is_row(joints) or not is_row(visible) or len(joints) != len(visible):
        return dict(joints=joints, joints_vis=visible)  # the check of keypoints refuses these
    if not all(is_row(joint, 2) for joint in joints):
        return dict(joints=joints)
    return [value for row, v in zip_equal(joints, visible) for value in (*row, _mark(v))]


def _mark(visible: object) -> object:
    """Convert joints_vis 1 to COCO's visibility 2; values other than 0 and 1 must stay invalid."""
    if is_number(visible) and visible in (0, 1):
        return 2 * visible
    return 3 if is_number(visible) and visible == 2 else visible


def most_common_count(rows: Sequence) -> int:
    """Return the number of keypoints that most annotations have; 0 without annotations."""
    lengths = [len(row) for row in rows if is_row(row) and len(row) % 3 == 0 and len(row)]
    return Counter(lengths).most_common(1)[0][0] // 3 if lengths else 0
