# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faults that show only in all people of a file: other units, corners for boxes, tiny areas."""

from __future__ import annotations

import numpy as np

from .kinds import Finding
from .people import EDGE
from .structure import Entries
from .values import is_number, is_row, shorten, to_matrix

SMALLEST_IMAGE = 16  # px; in smaller images, coordinates in [0, 1] may be pixels
_MARGIN = 0.1  # around a box, as a fraction of it, where keypoints still count as inside
_LEAST_AREA = 0.01  # of an annotation, as a fraction of its box
_MOST = 0.9  # fraction of the boxes that counts as most of them
#: A box further from the image's corner, as a fraction of its [x2, y2], shows which form it has.
_FAR = 0.25


def check_keypoint_units(entries: Entries, keypoints: tuple) -> list[Finding]:
    """Check that the labeled keypoints are not all within [0, 1]: fractions of the image.

    Args:
        entries (Entries): The annotations.
        keypoints (tuple): Their :func:`keypoint_rows`.
    """
    indices, values, odd = keypoints
    labeled = (values[..., 2] > 0) & ~odd[:, None]
    points = values[labeled][:, :2]
    if not points.any() or not ((points >= 0) & (points <= 1)).all():
        return []
    if (entries.sizes < SMALLEST_IMAGE).any():
        return []
    row = np.flatnonzero(labeled.any(1))[0]
    return [
        entries.finding('keypoints-normalized', indices[row], detail=shorten(points[0].tolist()))
    ]


def check_boxes_of_people(entries: Entries, keypoints: tuple) -> list[Finding]:
    """Check that boxes are [x, y, w, h], not two corners, and that the people are in them.

    Boxes count as two corners if there are at least three, at least half of them reach over their
    image's edge, and all of them, read as corners, lie within it. If fewer reach over the edge but
    the labeled keypoints lie between the corners, the finding is a warning. People count as
    outside their boxes if less than half of all labeled keypoints lie in their own box (or within
    a tenth of its size around it). This happens with boxes [center, w, h], and with boxes or
    keypoints in pixels of a crop or of a resized image.

    Args:
        entries (Entries): The annotations.
        keypoints (tuple): Their :func:`keypoint_rows`.
    """
    indices, boxes, values = _boxed_people(entries, keypoints)
    if not len(indices):
        return []
    low, extent = boxes[:, None, :2], boxes[:, None, 2:]
    sizes = entries.annotation_sizes()[indices]
    beyond = (boxes[:, :2] + boxes[:, 2:] > sizes + EDGE).any(1)
    are_corners = ((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes + EDGE)).all(1)
    if len(beyond) > 2 and are_corners.all() and 2 * beyond.sum() >= len(beyond):
        first = np.flatnonzero(beyond)[0]
        text = (
            f'{beyond.sum()} of {len(beyond)} boxes reach over the edge of their image, the first '
            f'of annotation {entries.annotation_ids[indices[first]]}: {boxes[first].tolist()}, and '
            'all are two corners within it: write [x, y, width, height]'
        )
        return [Finding('bbox-corners', detail=text)]
    labeled, positions = values[..., 2] > 0, values[..., :2]
    likely = _likely_corners(boxes, are_corners, positions, labeled)
    if len(likely):
        first = likely[0]
        text = (
            f'its boxes may be two corners, the one of annotation '
            f'{entries.annotation_ids[indices[first]]} {boxes[first].tolist()}: the labeled '
            'keypoints lie between them. If so, write [x, y, width, height]'
        )
        return [Finding('bbox-corners-likely', detail=text)]
    margin = _MARGIN * extent + EDGE
    inside = ((positions >= low - margin) & (positions <= low + extent + margin)).all(-1)
    count, total = int((inside & labeled).sum()), int(labeled.sum())
    if 2 * count >= total:
        return []
    first, number = np.argwhere(labeled & ~inside)[0]
    text = (
        f'only {count} of {total} labeled keypoints lie in their own bbox; keypoint {number} of '
        f'annotation {entries.annotation_ids[indices[first]]} is at '
        f'{positions[first, number].tolist()}, its bbox {boxes[first].tolist()}: write '
        '[x, y, width, height] from the top left corner, and both in pixels of the image'
    )
    return [Finding('boxes-elsewhere', detail=text)]


def _likely_corners(
    boxes: np.ndarray, are_corners: np.ndarray, positions: np.ndarray, labeled: np.ndarray
) -> np.ndarray:
    """Find boxes which show that all are two corners, although few reach over an edge.

    [x1, y1, x2, y2] read as [x, y, w, h] is a larger box, so keypoints lie in both. But if a box
    [x, y, w, h] is far from the image's corner, its keypoints rarely all lie below (w, h).

    Args:
        boxes (np.ndarray): (P, 4) as in the file.
        are_corners (np.ndarray): (P,) bool, whether they are two corners within the image.
        positions (np.ndarray): (P, K, 2) keypoints in pixels.
        labeled (np.ndarray): (P, K) bool.

    Returns:
        np.ndarray: Positions of the boxes that show it; none if more than a tenth of all boxes are
        not two corners around their keypoints.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    margin = _MARGIN * (high - low) + EDGE
    between = ((positions >= low - margin) & (positions <= high + margin)).all(-1) | ~labeled
    tells = (boxes[:, :2] > _FAR * boxes[:, 2:]).any(1)
    fit = are_corners & between.all(1)
    return np.flatnonzero(tells & fit) if fit.mean() >= _MOST else np.zeros(0, np.int64)


def check_areas(entries: Entries) -> list[Finding]:
    """Check that people with labeled keypoints do not have areas that would make AP wrong.

    An area of 0 or less is wrong, and areas that are all below 1 % of their box are in other units.
    """
    findings: list[Finding] = []
    small: list[int] = []
    is_plausible = False
    for index, annotation in enumerate(entries.annotations):
        box, area = annotation.get('bbox'), annotation.get('area')
        if not is_number(area) or (is_plausible and area > 0):
            continue
        if annotation.get('iscrowd') or not is_labeled(annotation):
            continue
        if not is_row(box, 4) or not all(map(is_number, box)) or min(box[2:]) <= 0:
            continue  # another check finds it
        if area <= 0:
            findings.append(entries.finding('area-empty', index, detail=f'area {area}'))
        elif area < _LEAST_AREA * box[2] * box[3]:
            small.append(index)
        else:
            is_plausible = True
    if small and not is_plausible:
        first = small[0]
        annotation = entries.annotations[first]
        text = (
            f'the area of each of its {len(small)} people is less than 1 % of the box, of '
            f'annotation {entries.annotation_ids[first]} {annotation["area"]:g} in a box '
            f'{shorten(annotation["bbox"])}: AP would be 0. Write it in square pixels (of the '
            'segment or the box), or set use_area=False for CocoMetric'
        )
        findings.append(Finding('areas', detail=text))
    return findings


def is_labeled(annotation: dict) -> bool:
    """Return whether an annotation has a keypoint of a visibility above 0."""
    keypoints = annotation.get('keypoints')
    return is_row(keypoints) and any(is_number(v) and v > 0 for v in keypoints[2::3])


def _boxed_people(entries: Entries, keypoints: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select people with a box larger than a pixel and a labeled keypoint, but no crowds.

    Returns:
        tuple: Positions (P,), boxes (P, 4) and keypoints (P, K, 3).
    """
    indices, values, odd = keypoints
    annotations = [entries.annotations[index] for index in indices]
    boxes, bad = to_matrix(
        [a['bbox'] if is_row(a.get('bbox'), 4) else [None] * 4 for a in annotations], 4
    )
    crowds = np.array([bool(a.get('iscrowd')) for a in annotations], bool)
    good = np.isfinite(values).all((1, 2)) & np.isfinite(boxes).all(1) & ~odd & ~bad & ~crowds
    good &= (boxes[:, 2:] > 1).all(1) & (values[..., 2] > 0).any(1)
    return indices[good], boxes[good], values[good]
