# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""More kinds of annotation files: values of a wrong form, other units, files that are not JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from reported_files import (
    ALL,
    BOTTOM_UP,
    LOAD,
    NAMES,
    RUNS,
    H,
    W,
    perfect_results,
    person,
    stops,
    write_kind,
)

PERSON_2 = 1  # position of annotation 12


def second(**values) -> Callable[[dict], None]:
    """Return a function that changes annotation 12."""

    def change(content: dict) -> None:
        content['annotations'][PERSON_2].update(values)

    return change


def whole(**values) -> Callable[[dict], None]:
    """Return a function that replaces lists of the file."""

    def change(content: dict) -> None:
        content.update(values)

    return change


def keypoints_by(function: Callable[[np.ndarray], object]) -> Callable[[dict], None]:
    """Return a function that changes all people's keypoints by a function of (17, 3)."""

    def change(content: dict) -> None:
        for one in content['annotations']:
            one['keypoints'] = function(np.reshape(one['keypoints'], (-1, 3)))

    return change


def boxes_by(function: Callable[..., list]) -> Callable[[dict], None]:
    """Return a function that changes all people's boxes by a function of x, y, w, h.

    It first moves a person, so that most are at the right.
    """

    def change(content: dict) -> None:
        content['annotations'][2] = person(13, 2, 52)
        for one in content['annotations']:
            one['bbox'] = function(*one['bbox'])

    return change


def nan_keypoint(content):
    content['annotations'][PERSON_2]['keypoints'][3] = float('nan')


def small_areas(content):
    for one in content['annotations']:
        one['area'] /= W * H


def unlabeled_without_area(content):
    one = dict(content['annotations'][2], id=14, bbox=[60, 4, 30, 40], num_keypoints=0)
    one['keypoints'] = [0] * 51
    del one['area']
    content['annotations'].append(one)


def huge_ids(content):
    for number, image in enumerate(content['images']):
        image['id'] = 2**64 + number
    for one in content['annotations']:
        one['image_id'] += 2**64 - 1


def repeated_image(content):
    content['images'][1]['id'] = 1
    content['annotations'][2]['image_id'] = 1


def texts_as_categories(content):
    for one in content['annotations']:
        one['category_id'] = '1'


def missing_image(content):
    content['images'][1]['file_name'] = '2.PNG'


def repeated_file(content):
    content['images'].append(dict(content['images'][1], id=3))


def some_outlined(content):
    content['annotations'][0]['segmentation'] = [[2, 4, 40, 4, 40, 70]]


def crowd_of(counts: object, size: tuple = (H, W)) -> Callable[[dict], None]:
    """Return a function that adds a crowd whose segmentation is run lengths."""

    def change(content: dict) -> None:
        crowd = dict(content['annotations'][2], id=14, iscrowd=1, keypoints=[0] * 51)
        crowd.update(num_keypoints=0, segmentation=dict(size=size, counts=counts))
        content['annotations'].append(crowd)

    return change


_no_list = r'17 keypoints of 3 numbers.*11.*Write x, y, visibility'
_outline = 'annotation.* malformed segmentation: '
_outlines = (BOTTOM_UP[0], 'validate')

#: Name: (change, {command that stops: what its line says}). All other commands work.
VALUE_KINDS = {
    'NaN in keypoints': (nan_keypoint, stops(r'infinite or NaN keypoints: 12 .*Write 0, 0, 0')),
    'keypoints as texts': (
        keypoints_by(lambda points: [str(v) for v in points.ravel()]),
        stops(r"keypoints are not numbers: 11.*\('.*Write x, y"),
    ),
    'keypoints as dicts': (
        keypoints_by(lambda points: [dict(x=x, y=y, v=v) for x, y, v in points]),
        stops(_no_list),
    ),
    'visibility true': (
        keypoints_by(lambda points: [v for x, y, _ in points for v in (x, y, True)]),
        stops(r'keypoints are not numbers: 11.*True.*visibility 0, 1 or 2'),
    ),
    'visibility -1': (
        keypoints_by(lambda points: (points * (1, 1, -0.5)).ravel().tolist()),
        stops(r'visibility below 0: 11.*Write 0, 0, 0'),
    ),
    'visibility 3': (
        keypoints_by(lambda points: (points * (1, 1, 1.5)).ravel().tolist()),
        stops(r'visibility other than 0, 1, 2: 11, .*keypoint 0.*Write 0', 'validate'),
    ),
    'keypoints in fractions': (
        keypoints_by(lambda points: (points / (W, H, 1)).ravel().tolist()),
        stops(r'within the first pixel.*multiply'),
    ),
    'boxes as two corners': (
        boxes_by(lambda x, y, w, h: [x, y, x + w, y + h]),
        stops(r'annotation 12.*two corners.*write \[x, y, width, height\]', 'validate'),
    ),
    'boxes of another image size': (
        boxes_by(lambda x, y, w, h: [x / 4, y / 4, w / 4, h / 4]),
        stops(r'labeled keypoints lie in their own bbox; keypoint .*in pixels', 'validate'),
    ),
    'box outside the image': (
        second(bbox=[200, 4, 40, 72]),
        stops(r'1 annotation.*bbox is outside the image: 12 .*200.* in 96x80.*Write', 'validate'),
    ),
    'bbox null': (second(bbox=None), stops(r'bbox is not 4 finite numbers: 12.*Write \[x, y')),
    'iscrowd null': (second(iscrowd=None), stops(r'iscrowd is neither 0 nor 1: 12.*Write')),
    'num_keypoints null': (
        second(num_keypoints=None),
        stops(r'num_keypoints misleads: 12 .*Write the number', 'validate'),
    ),
    'area 0': (
        second(area=0), stops(r'area of 0 or less: 12.*use_area', *RUNS, 'validate', 'worst')
    ),
    'areas in fractions': (
        small_areas, stops(r'less than 1 % of the box.*11.*use_area', *RUNS, 'validate', 'worst')
    ),
    'unlabeled person without area': (
        unlabeled_without_area, stops(r'without area.*: 14', *RUNS, 'validate')
    ),
    'annotation id twice': (second(id=11), stops(r'repeated annotation id.*11.*Renumber')),
    'image id twice': (
        repeated_image, stops(r'(repeated image|several images with the) id.* 1', *ALL, 'predict')
    ),
    'ids beyond 64 bits': (
        huge_ids,
        stops(r'(not a 64-bit integer: 18|id \(a whole number or a text\))', *ALL, 'predict'),
    ),
    'unknown image': (second(image_id=99), stops(r'images that are not in it: 12. Add')),
    'category_id as text': (
        texts_as_categories,
        stops(r"not in it: 11.*category_id '1'.*testing stops", *RUNS, 'validate'),
    ),
    'categories as a dict': (
        whole(categories=dict(person=dict(id=1, keypoints=NAMES))),
        stops(r"'categories' is not a list"),
    ),
    'images as a dict': (
        whole(images={'1': dict(id=1, file_name='1.png')}),
        stops(r"('images' is not a list|no lists? of images)", *ALL, 'predict'),
    ),
    'image file of another case': (
        missing_image,
        {
            **stops(r'1 image file.*2\.PNG.*case', *LOAD, 'validate'),
            'worst': r'2\.PNG.*is missing',
            'predict': r'2\.png: not among the images of the annotation file',
        },
    ),
    'image file twice': (repeated_file, stops(r'several images with the file_name 2', 'predict')),
    'outlines of some people': (some_outlined, {}),
    'outline of 7 numbers': (
        second(segmentation=[[1, 2, 30, 4, 5, 60, 7]]),
        stops(_outline + r'12 \(polygon 0.*Write', *_outlines),
    ),
    'run lengths damaged': (
        crowd_of('garbage'), stops(_outline + r'14 \(run lengths.*Write', *_outlines)
    ),
    'run lengths of another size': (
        crowd_of([800, 800], (40, 40)), stops(_outline + r'14 .*40x40 in an', *_outlines)
    ),
}  # fmt: skip

#: Name: (function from a sound file's bytes to the faulty one's, what each command's line says).
RAW_KINDS = {
    'byte-order mark': (lambda text: b'\xef\xbb\xbf' + text, r'byte-order mark: save it as UTF-8'),
    'UTF-16': (lambda text: text.decode().encode('utf-16'), r'not UTF-8 text: save it as UTF-8'),
    'compressed': (gzip.compress, r'not UTF-8 text.*unpack'),
    'empty': (lambda text: b'', r'is empty: write or download'),
    'cut short': (lambda text: text[:-9], r'not valid JSON.*cut short.*again'),
    'results': (
        lambda text: json.dumps(perfect_results(json.loads(text))).encode(),
        r'(holds a list.*give|no list of images|not a COCO file)',
    ),
    "labelme's own": (
        lambda text: json.dumps(dict(version='5.0', shapes=[], imagePath='1.png')).encode(),
        r"(no images: give a file in COCO's form|no list of images|not a COCO file)",
    ),
}


def write_values_kind(kind: str, folder: Path) -> Path:
    """Write the annotation file of a kind and its images; return the file."""
    if kind not in RAW_KINDS:
        return write_kind(kind, folder, VALUE_KINDS)
    path = write_kind('sound', folder)
    path.write_bytes(RAW_KINDS[kind][0](path.read_bytes()))
    return path
