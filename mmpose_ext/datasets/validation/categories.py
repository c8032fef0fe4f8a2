# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find the categories of people in a file, the objects with keypoints."""

from __future__ import annotations

from collections.abc import Sequence

from mmpose_ext.utils.errors import DataError

from .kinds import Finding
from .values import is_id, is_row, shorten

COCO_PERSON = 1


def person_categories(content: object) -> list:
    """Return the ids of the categories whose annotations have keypoints, smallest first.

    If no annotation has keypoints, these are the categories that list keypoints, or else those
    named 'person', or else COCO's, 1.

    Args:
        content (object): A parsed COCO file.
    """
    content = content if isinstance(content, dict) else {}
    annotations, categories = _dicts(content.get('annotations')), _dicts(content.get('categories'))
    candidates = (
        [a.get('category_id') for a in annotations if a.get('keypoints')],
        [category.get('id') for category in categories if category.get('keypoints')],
        [category.get('id') for category in categories if category.get('name') == 'person'],
    )
    listed = {category.get('id') for category in categories if is_id(category.get('id'))}
    for ids in candidates:
        found = {number for number in ids if is_id(number)}
        found = found & listed or found  # an unlisted category is another fault
        if found:
            return sorted(found)
    return [COCO_PERSON]


def person_category(content: object, file: str) -> int:
    """Return the single category of a file's people.

    Args:
        content (object): A parsed COCO file.
        file (str): Its name for the message.

    Raises:
        DataError: If its people have several categories.
    """
    ids = person_categories(content)
    if len(ids) > 1:
        raise DataError(
            f'{file} has annotations with keypoints of the categories '
            f'{", ".join(map(str, ids))}: bottom-up models and detections know one kind of people. '
            'Give all the same category_id, or write a file for each'
        )
    return int(ids[0])


def detected_category(detections: Sequence[dict], content: object) -> int | Finding:
    """Return the category of people in the detection file of an annotation file.

    It is the annotation file's category. If no detection has it, it is COCO's person (1), unless 1
    is another category of the annotation file.

    Args:
        detections (Sequence[dict]): Detections with ``category_id``.
        content (object): The parsed annotation file.

    Returns:
        int | Finding: The category, or the reason why the files do not fit.
    """
    known = {c.get('id') for c in _dicts(_get(content, 'categories')) if is_id(c.get('id'))}
    own = set(person_categories(content))
    found = {d['category_id'] for d in detections if is_id(d['category_id'])}
    fitting = sorted((own | ({COCO_PERSON} - known)) & found)
    if len(fitting) == 1:
        return fitting[0]
    wanted = ' or '.join(map(str, sorted(own)))
    if fitting:
        text = (
            f'it holds detections of the categories {", ".join(map(str, fitting))}: keep the '
            f'people, with category_id {wanted}, as in the annotation file'
        )
    else:
        text = (
            f'none of its {len(detections)} detections is a person (category_id {wanted}, as in '
            'the annotation file): give the people this category_id'
        )
        if detections:
            text += f'; the first has {shorten(detections[0]["category_id"])}'
    return Finding('no-detected-person', detail=text)


def check_keypoint_order(content: dict, names: Sequence[str]) -> list[Finding]:
    """Check that the file's categories list their keypoints as the data set's metainfo does.

    Only the same names in another order are a fault, because other names may mean the same.

    Args:
        content (dict): A parsed COCO file.
        names (Sequence[str]): The metainfo's K names.
    """
    expected = [_plain(name) for name in names]
    for category in _dicts(content.get('categories')):
        listed = category.get('keypoints')
        listed = [_plain(name) for name in listed] if is_row(listed) else []
        if sorted(listed) == sorted(expected) and listed != expected:
            first = next(k for k in range(len(expected)) if listed[k] != expected[k])
            text = (
                f"its category {category.get('id')} has the metainfo's keypoints in another order: "
                f"keypoint {first} is {listed[first]!r}, the metainfo's {expected[first]!r}. Order "
                "the metainfo's keypoint_info and sigmas as the file does"
            )
            return [Finding('keypoint-order', detail=text)]
    return []


def _plain(name: object) -> str:
    return str(name).strip().lower().replace(' ', '_').replace('-', '_')


def _get(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, dict) else None


def _dicts(values: object) -> list[dict]:
    return [v for v in values if isinstance(v, dict)] if is_row(values) else []
