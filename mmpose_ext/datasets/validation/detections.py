# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check a file of detected people."""

from __future__ import annotations

from .categories import detected_category
from .kinds import Finding
from .values import is_number, is_row, shorten

KEYS = ('image_id', 'category_id', 'bbox', 'score')


def check_detections(
    content: object, known_images: set, ann_file: str, annotations: object = None
) -> list[Finding]:
    """Check a person-detection file.

    Args:
        content (object): The parsed file: a list of dicts with image_id, category_id,
            bbox [x, y, w, h] and score. Only people are checked.
        known_images (set): The image ids of the annotation file.
        ann_file (str): The annotation file's name, for the message.
        annotations (object, optional): The parsed annotation file, whose categories determine which
            detections are people (:func:`detected_category`). Without it, people have COCO's
            category 1.
    """
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        text = (
            f'it holds a {type(content).__name__}, not a list of dicts: give detections with '
            f'{", ".join(KEYS)}'
        )
        return [Finding('format', detail=text)]
    findings = [
        Finding('key-missing', 'detection', index, what=repr(key))
        for key in KEYS
        for index, detection in enumerate(content)
        if key not in detection
    ]
    if findings:
        return findings
    category = detected_category(content, annotations)
    if isinstance(category, Finding):
        return [category]
    people = [(index, d) for index, d in enumerate(content) if d['category_id'] == category]
    unknown: dict = {}
    for _, person in people:
        image_id = person['image_id']
        if not is_number(image_id) or image_id not in known_images:
            unknown[str(image_id)] = image_id if is_number(image_id) else shorten(image_id)
    for image_id in sorted(unknown, key=lambda text: (len(text), text)):
        findings.append(Finding('detection-image', 'image', unknown[image_id], what=ann_file))
    for index, person in people:
        box, score = person['bbox'], person['score']
        detail = f'bbox {shorten(box)}, score {shorten(score)}'
        if not (is_row(box) and len(box) >= 4 and all(map(is_number, [*box[:4], score]))):
            findings.append(Finding('detection-values', 'detection', index, detail=detail))
        elif min(box[2:4]) < 0:
            findings.append(Finding('detection-extent', 'detection', index, detail=detail))
    return findings
