# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Annotation files of kinds that people report, each made from a sound one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo

W, H = 96, 80
COCO = parse_pose_metainfo(dict(from_file='configs/_base_/datasets/coco.py'))
NAMES = [COCO['keypoint_id2name'][k] for k in range(17)]


def person(number: int, image: int, x: float) -> dict:
    rng = np.random.default_rng(number)
    points = np.c_[rng.uniform(x + 2, x + 38, 17), rng.uniform(6, 74, 17), np.full(17, 2)].round(1)
    return dict(
        id=number, image_id=image, category_id=1, iscrowd=0, bbox=[x, 4, 40, 72], area=1500.0,
        num_keypoints=17, keypoints=points.ravel().tolist(),
    )  # fmt: skip


def sound_content() -> dict:
    """Return a sound file: people 11 and 12 are on the first image, person 13 is on the second."""
    category = dict(id=1, name='person', keypoints=NAMES, skeleton=[])
    return dict(
        images=[dict(id=i, file_name=f'{i}.png', width=W, height=H) for i in (1, 2)],
        annotations=[person(11, 1, 2), person(12, 1, 50), person(13, 2, 20)],
        categories=[category],
    )


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        picture = np.random.default_rng(number).integers(0, 255, (H, W, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), picture)


def each(items: str, **values) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        for item in content[items]:
            item.update(values)

    return change


def without(items: str, *keys: str) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        for item in content[items]:
            for key in keys:
                del item[key]

    return change


def category_7(content):
    each('annotations', category_id=7)(content)
    content['categories'][0]['id'] = 7


def extra_category_0(content):
    content['categories'].insert(0, dict(id=0, name='people', supercategory='none'))


def several_categories(content):
    content['categories'].append(dict(content['categories'][0], id=2, name='rider'))
    content['annotations'][2]['category_id'] = 2


def category_unknown(content):
    content['annotations'][1]['category_id'] = 9


def class_without_keypoints(content):
    content['categories'].append(dict(id=2, name='ball'))
    content['annotations'].append(
        dict(id=14, image_id=1, category_id=2, bbox=[5, 5, 20, 20], area=400, iscrowd=0)
    )


def float_image_ids(content):
    for image in content['images']:
        image['id'] = float(image['id'])
    for annotation in content['annotations']:
        annotation['image_id'] = float(annotation['image_id'])


def float_annotation_ids(content):
    for annotation in content['annotations']:
        for key in ('id', 'image_id', 'category_id'):
            annotation[key] = float(annotation[key])


def names_as_ids(content):
    for image in content['images']:
        image['id'] = image['file_name']
    for annotation in content['annotations']:
        annotation['image_id'] = f'{annotation["image_id"]}.png'


def annotation_id_0(content):
    for number, annotation in enumerate(content['annotations']):
        annotation['id'] = number


def normalized(content):
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x / W, y / H, w / W, h / H]
        points = np.reshape(annotation['keypoints'], (-1, 3)) / (W, H, 1)
        annotation['keypoints'] = points.ravel().tolist()


def keypoint_order(content):
    names = content['categories'][0]['keypoints'] = list(NAMES)
    names[1], names[2] = names[2], names[1]


def empty_track(content):
    content['annotations'].append(
        dict(id=14, image_id=2, category_id=1, bbox=[0, 0, 0, 0], area=0, iscrowd=0,
             keypoints=[], num_keypoints=0)
    )  # fmt: skip


def box_without_extent(content):
    content['annotations'][1].update(bbox=[60, 20, 0.0, 0.0], area=0.0)


def box_missing(content):
    del content['annotations'][1]['bbox']


def no_visibilities(content):
    for annotation in content['annotations']:
        points = np.reshape(annotation['keypoints'], (-1, 3))[:, :2]
        annotation['keypoints'] = points.ravel().tolist()


def nested_keypoints(content):
    for annotation in content['annotations']:
        annotation['keypoints'] = np.reshape(annotation['keypoints'], (-1, 3)).tolist()


def windows_paths(content):
    for image in content['images']:
        image['file_name'] = f'images\\{image["file_name"]}'


ALL = ('train', 'train bottom-up', 'test', 'test bottom-up', 'validate', 'worst', 'browse', 'label')
RUNS, BOTTOM_UP = ALL[:4], (ALL[1], ALL[3])
LOAD = (*RUNS, 'browse')  # the commands that load the file as a data set


def stops(text: str, *commands: str) -> dict[str, str]:
    return dict.fromkeys(commands or ALL, text)


#: Name: (change, {command that stops: what its line says}). All other commands work.
KINDS = {
    'sound': (lambda content: None, {}),
    'category 7': (category_7, {}),
    'category 0 without keypoints': (extra_category_0, {}),
    'several categories of people': (
        several_categories,
        {
            **stops(r'categories.* 1, 2.* same category_id', *BOTTOM_UP),
            'predict': r'annotation file .*1, 2.* same category_id',
        },
    ),
    'category unknown': (
        category_unknown,
        stops(r'1 annotation.*categories that are not in it: 12', *RUNS, 'validate'),
    ),
    'no categories': (
        lambda content: content.pop('categories'),
        stops(r'categories are missing.*add', *RUNS, 'validate'),
    ),
    'class without keypoints': (
        class_without_keypoints,
        stops(r'1 annotation.* without keypoints.*14.*Leave', *RUNS, 'validate'),
    ),
    'no area': (
        without('annotations', 'area'),
        stops(r'3 annotation.* without area.*11.*use_area', *RUNS, 'validate'),
    ),
    'no iscrowd, num_keypoints': (
        without('annotations', 'iscrowd', 'num_keypoints'),
        {},
    ),
    'float image ids': (float_image_ids, stops(r'2 image.*64-bit integer.*1\.0: write 1')),
    'float annotation ids': (float_annotation_ids, {}),
    'file names as ids': (names_as_ids, stops(r'2 image.*64-bit integer')),
    'annotation id 0': (annotation_id_0, {}),
    'fractions of the image': (normalized, stops(r'smaller than a pixel.*multiply')),
    'keypoints in another order': (
        keypoint_order,
        stops(r"keypoint 1 is 'right_eye', the metainfo's 'left_eye'", *LOAD, 'validate'),
    ),
    'track without keypoints': (empty_track, stops(r'do not have 17 keypoints.* 14')),
    'box without extent': (
        box_without_extent, stops(r'1 annotation.*bbox has no area: 12 .*Write \[x', 'validate')
    ),
    'box missing': (
        box_missing,
        {
            **stops(r'1 annotation.*without bbox: 12', *RUNS, 'validate'),
            'worst': r'annotation 12 has no bbox',
        },
    ),
    'no visibilities': (no_visibilities, stops(r'do not have 17 keypoints of 3.*11.*34 numbers')),
    'nested keypoints': (nested_keypoints, stops(r'do not have 17 keypoints of 3.*11')),
    "Windows' paths": (
        windows_paths,
        {
            **stops(r'2 image file.*missing.*Write /', *LOAD),
            'validate': r'2 image file.*missing',
            'worst': r'is missing or not an image',
            'predict': r'not among the images of the annotation file',
        },
    ),
    'images without size': (each('images', width=None), stops(r'2 image.*width is not a positive')),
}  # fmt: skip


def write_kind(kind: str, folder: Path, kinds: dict | None = None) -> Path:
    """Write the annotation file of a kind (by default of ``KINDS``) and its images; return it."""
    content = sound_content()
    (KINDS if kinds is None else kinds)[kind][0](content)
    write_images(folder / 'images')
    path = folder / 'people.json'
    path.write_text(json.dumps(content))
    return path


def perfect_results(content: dict) -> list[dict]:
    """Return the content's people as the content of a results file."""
    return [
        dict(image_id=a['image_id'], category_id=1, keypoints=a['keypoints'], score=0.9)
        for a in copy.deepcopy(content['annotations'])
    ]
