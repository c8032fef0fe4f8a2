# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check a COCO file's structure: lists, keys, ids and references."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmpose_ext.utils.sequences import zip_equal

from .kinds import Finding
from .values import is_id, is_number, shorten

IMAGE_KEYS = ('id', 'file_name', 'width', 'height')
ANNOTATION_KEYS = ('id', 'image_id', 'category_id')


@dataclass
class Entries:
    """The images and annotations of a file that can be checked further.

    Attributes:
        images (list[dict]): M images.
        annotations (list[dict]): N annotations.
        image_ids (list): (M,) ids; ``'#3'`` for the entry at position 3 without a usable id.
        annotation_ids (list): (N,) ids in the same form.
        rows (np.ndarray): (N,) position of each annotation's image in ``images``, -1 for none.
        sizes (np.ndarray): (M, 2) float64 [w, h] of the images in pixels, NaN if unknown.
        num_keypoints (int): K.
    """

    images: list[dict] = field(default_factory=list)
    annotations: list[dict] = field(default_factory=list)
    image_ids: list = field(default_factory=list)
    annotation_ids: list = field(default_factory=list)
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    sizes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    num_keypoints: int = 0

    def annotation_sizes(self) -> np.ndarray:
        """[w, h] of each annotation's image, (N, 2) float64, NaN if unknown."""
        known = np.concatenate([self.sizes, np.full((1, 2), np.nan)])
        return known[self.rows]

    def finding(self, kind: str, index: int, **values: Any) -> Finding:
        """Make a finding on the annotation at position ``index``."""
        row = self.rows[index]
        image_id = None if row < 0 else self.image_ids[row]
        return Finding(kind, 'annotation', self.annotation_ids[index], image_id, **values)

    def image_finding(self, kind: str, row: int, **values: Any) -> Finding:
        """Make a finding on the image at position ``row``."""
        return Finding(kind, 'image', self.image_ids[row], **values)


def check_structure(
    content: object, num_keypoints: int, needs_sizes: bool = True
) -> tuple[Entries, list[Finding]]:
    """Check the entries of a parsed COCO file, their ids and references.

    Args:
        content (object): The parsed file.
        num_keypoints (int): K of the data set's metainfo.
        needs_sizes (bool): Whether images must have width and height. Defaults to True.

    Returns:
        tuple: The entries that can be checked further, and the findings.
    """
    if not isinstance(content, dict):
        text = f'it holds a {type(content).__name__}, not a dict of images and annotations: give a '
        text += "file in COCO's form"
        return Entries(num_keypoints=num_keypoints), [Finding('format', detail=text)]
    findings: list[Finding] = []
    images, image_ids = _entries(content, 'images', 'image', findings)
    annotations, annotation_ids = _entries(content, 'annotations', 'annotation', findings)
    if not images:
        findings.append(Finding('no-images'))
    image_keys = IMAGE_KEYS if needs_sizes else IMAGE_KEYS[:2]
    findings += _keys_and_ids(images, image_ids, 'image', image_keys)
    findings += _keys_and_ids(annotations, annotation_ids, 'annotation', ANNOTATION_KEYS)
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    rows = [_row(annotation.get('image_id'), row_of) for annotation in annotations]
    entries = Entries(
        images,
        annotations,
        image_ids,
        annotation_ids,
        np.array(rows, np.int64),
        np.full((len(images), 2), np.nan),
        num_keypoints,
    )
    for index in np.flatnonzero(entries.rows < 0):
        if 'image_id' in annotations[index]:
            detail = f'image_id {shorten(annotations[index]["image_id"])}'
            findings.append(entries.finding('image-unknown', index, detail=detail))
    categories = content.get('categories', [])
    if not isinstance(categories, list) or not all(
        isinstance(category, dict) and 'id' in category for category in categories
    ):
        text = "its 'categories' is not a list of dicts with id, such as "
        text += '[{"id": 1, "name": "person"}]'
        findings.append(Finding('format', detail=text))
    findings += _check_file_names(entries)
    findings += _check_sizes(entries)
    return entries, findings


def check_categories(entries: Entries, content: dict) -> list[Finding]:
    """Check that the file has categories and that they include those of the annotations."""
    categories = content.get('categories')
    if not isinstance(categories, list) or not all(
        isinstance(c, dict) and is_id(c.get('id')) for c in categories
    ):
        text = (
            'its categories are missing or malformed, and testing reads them: add "categories": '
            '[{"id": 1, "name": "person"}], with the annotations\' category_id'
        )
        return [Finding('categories', detail=text)]
    known = {category['id'] for category in categories}
    return [
        entries.finding('category-unknown', i, detail=f'category_id {shorten(a["category_id"])}')
        for i, a in enumerate(entries.annotations)
        if 'category_id' in a and not (is_id(a['category_id']) and a['category_id'] in known)
    ]


def _entries(content: dict, key: str, item: str, findings: list) -> tuple[list[dict], list]:
    """Return the dicts of one list of the file, with their ids, or positions if they have none."""
    values = content.get(key, [])
    if not isinstance(values, list):
        findings.append(Finding('format', detail=f'its {key!r} is not a list of dicts'))
        return [], []
    dicts, labels = [], []
    for position, value in enumerate(values):
        label = f'#{position}'
        if isinstance(value, dict):
            dicts.append(value)
            labels.append(value['id'] if is_id(value.get('id')) else label)
        else:
            findings.append(Finding('not-a-dict', item, label, detail=shorten(value)))
    return dicts, labels


def _keys_and_ids(items: list[dict], labels: list, item: str, keys: tuple) -> list[Finding]:
    def finding(kind: str, position: int, **values: Any) -> Finding:
        image_id = items[position].get('image_id')
        image_id = image_id if item == 'annotation' and is_id(image_id) else None
        return Finding(kind, item, labels[position], image_id, **values)

    findings = [
        finding('key-missing', position, what=repr(key))
        for key in keys
        for position, value in enumerate(items)
        if key not in value
    ]
    for position, (value, label) in enumerate(zip_equal(items, labels)):
        if isinstance(label, str) and 'id' in value:
            findings.append(finding('id-malformed', position, detail=shorten(value['id'])))
        elif item == 'image' and isinstance(label, float):  # COCO's API finds none of these
            detail = f'{label!r}: write {int(label)}'
            findings.append(finding('id-malformed', position, detail=detail))
    if len(set(labels)) < len(labels):
        first = {label: i for i, label in reversed(list(enumerate(labels)))}
        repeated = [i for i, label in enumerate(labels) if first[label] != i]
        findings += [finding('id-repeated', position) for position in repeated]
    return findings


def _row(image_id: object, row_of: dict) -> int:
    return row_of.get(image_id, -1) if is_id(image_id) else -1


def _check_file_names(entries: Entries) -> list[Finding]:
    findings, rows_of = [], defaultdict(list)
    for row, image in enumerate(entries.images):
        name = image.get('file_name', 'absent')
        if not isinstance(name, str) or not name.strip() or '\0' in name or name.endswith('/'):
            findings.append(entries.image_finding('file-name', row, detail=shorten(name)))
        elif 'file_name' in image:
            rows_of[os.path.normpath(name) if '/' in name else name].append(row)
    for name, rows in rows_of.items():
        findings += [entries.image_finding('file-repeated', row, detail=name) for row in rows[1:]]
    return findings


def _check_sizes(entries: Entries) -> list[Finding]:
    """Check width and height, and copy valid ones to ``entries.sizes``."""
    findings = []
    for column, key in enumerate(('width', 'height')):
        for row, image in enumerate(entries.images):
            value = image.get(key)
            if is_number(value) and value > 0:
                entries.sizes[row, column] = value
            elif key in image:
                values = dict(what=key, detail=shorten(value))
                findings.append(entries.image_finding('size-malformed', row, **values))
    return findings
