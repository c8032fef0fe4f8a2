# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What can be wrong with a COCO keypoint file or a detection file, each in a few words."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from mmengine.fileio import exists, get_text

_SHOWN = 5


class DataError(ValueError):
    """A data file that cannot be used; the message names the file, the setting and the fault."""


def require_file(path: str, setting: str) -> None:
    """Raise :class:`DataError` if ``path`` (local or remote) does not exist."""
    if not path:
        raise DataError(f'{setting} is not set: name a COCO-format file')
    if not exists(path):
        raise DataError(
            f'{setting} {path} does not exist: check {setting} and data_root in the config'
        )


def read_json(path: str, setting: str) -> object:
    """The content of a JSON file; raise :class:`DataError` if it is empty or no JSON."""
    require_file(path, setting)
    try:
        text = get_text(path)
        if not text.strip():
            raise DataError(f'{setting} {path} is empty: write or download it anew')
        return json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(
            f'{setting} {path} is not valid JSON ({error}): it is cut short or another kind of '
            'file; write or download it anew'
        ) from None


def annotation_problems(content: object, num_keypoints: int, needs_people: bool) -> list[str]:
    """List what makes a COCO keypoint file unusable; empty if it is fine.

    Keypoints outside the image and images without people are fine.

    Args:
        content (object): The parsed file.
        num_keypoints (int): The K that the dataset's metainfo tells.
        needs_people (bool): Whether at least one labelled keypoint must be there.
    """
    if not isinstance(content, dict):
        return [f'it holds a {type(content).__name__}, not a dict of images and annotations']
    images, annotations = content.get('images'), content.get('annotations', [])
    if not _is_dicts(images) or not images:
        return ['it holds no images']
    if not _is_dicts(annotations):
        return ["its 'annotations' is not a list of dicts"]
    problems = _lacking(images, ('id', 'file_name', 'width', 'height'), 'image')
    problems += _lacking(annotations, ('id', 'image_id', 'category_id'), 'annotation')
    if problems:
        return problems
    image_ids = [image['id'] for image in images]
    problems += _duplicates(image_ids, 'image')
    problems += _duplicates([annotation['id'] for annotation in annotations], 'annotation')
    known = set(image_ids)
    strays = [a['id'] for a in annotations if a['image_id'] not in known]
    problems += _problem(strays, 'annotation(s) of images that are not in it')
    people = [a for a in annotations if 'bbox' in a and 'keypoints' in a]
    bad_boxes = [p['id'] for p in people if not _is_numbers(p['bbox'], 4)]
    problems += _problem(bad_boxes, 'annotation(s) whose bbox is not 4 finite numbers')
    return problems + _keypoint_problems(people, num_keypoints, needs_people)


def detection_problems(content: object, known_images: set, ann_file: str) -> list[str]:
    """List what makes a person-detection file unusable; empty if it is fine.

    Args:
        content (object): The parsed file: a list of dicts with image_id, category_id,
            bbox [x, y, w, h] and score. Only category 1, persons, is looked at.
        known_images (set): The image ids of the annotation file.
        ann_file (str): The annotation file's name, for the message.
    """
    if not _is_dicts(content):
        return [f'it holds a {type(content).__name__}, not a list of detections']
    problems = _lacking(content, ('image_id', 'category_id', 'bbox', 'score'), 'detection')
    if problems:
        return problems
    people = [detection for detection in content if detection['category_id'] == 1]
    if not people:
        return [f'none of its {len(content)} detections is a person (category_id 1)']
    unknown = sorted({p['image_id'] for p in people if p['image_id'] not in known_images}, key=str)
    problems = _problem(unknown, f'image id(s) that are not in ann_file {ann_file}')
    boxes = [
        index
        for index, detection in enumerate(content)
        if detection['category_id'] == 1
        and not (_is_numbers(detection['bbox'][:4], 4) and _is_numbers([detection['score']], 1))
    ]
    return problems + _problem(boxes, 'detection(s) whose bbox or score is no finite number')


def missing_files(paths: Iterable[str]) -> list[str]:
    """Which of the local ``paths`` do not exist, in order. Lists each folder once."""
    by_folder = defaultdict(list)
    for path in dict.fromkeys(paths):
        if '://' not in path:
            by_folder[os.path.dirname(path)].append(path)
    missing = []
    for folder, members in by_folder.items():
        try:
            present = set(os.listdir(folder or '.'))
        except OSError:
            present = set()
        missing += [path for path in members if os.path.basename(path) not in present]
    return missing


def some(items: Sequence) -> str:
    """The first few items, for a message."""
    more = ', ...' if len(items) > _SHOWN else ''
    return ', '.join(str(item) for item in items[:_SHOWN]) + more


def _keypoint_problems(people: list[dict], num_keypoints: int, needs_people: bool) -> list[str]:
    wrong = [p for p in people if not _has_length(p['keypoints'], 3 * num_keypoints)]
    if wrong:
        found = wrong[0]['keypoints']
        count = f'{len(found)} numbers' if hasattr(found, '__len__') else repr(found)
        return [
            f'{len(wrong)} annotation(s) do not have {num_keypoints} keypoints of 3 numbers, as '
            f'the metainfo says: ids {some([p["id"] for p in wrong])}; the first has {count}'
        ]
    if not needs_people:
        return []
    if not people:
        return ['no annotation has both a bbox and keypoints']
    try:
        keypoints = np.array([p['keypoints'] for p in people], dtype=np.float32)
    except (TypeError, ValueError) as error:
        return [f'some keypoints are not numbers ({error})']
    keypoints = keypoints.reshape(len(people), num_keypoints, 3)
    odd = np.flatnonzero(~np.isfinite(keypoints).all(axis=(1, 2)))
    odd_ids = [people[index]['id'] for index in odd]
    problems = _problem(odd_ids, 'annotation(s) with infinite or NaN keypoints')
    if not (keypoints[..., 2] > 0).any():
        problems.append(f'all keypoints of its {len(people)} people are unlabelled (visibility 0)')
    return problems


def _problem(ids: Sequence, text: str) -> list[str]:
    return [f'{len(ids)} {text}: {some(ids)}'] if ids else []


def _lacking(items: list[dict], keys: Sequence[str], kind: str) -> list[str]:
    problems = []
    for key in keys:
        positions = [index for index, item in enumerate(items) if key not in item]
        problems += _problem(positions, f'{kind}(s) without {key!r}, at positions')
    return problems


def _duplicates(ids: list, kind: str) -> list[str]:
    if len(set(ids)) == len(ids):
        return []
    seen: set = set()
    repeated = [i for i in ids if i in seen or seen.add(i)]
    return _problem(repeated, f'repeated {kind} id(s)')


def _is_dicts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _has_length(value: object, length: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == length


def _is_numbers(value: object, length: int) -> bool:
    if not _has_length(value, length):
        return False
    return all(isinstance(v, int | float) and -np.inf < v < np.inf for v in value)
