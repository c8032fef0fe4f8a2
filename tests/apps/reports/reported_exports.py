# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Kinds of files that label tools export; each names the public report that describes it."""

from __future__ import annotations

import numpy as np
from reported_files import (
    BOTTOM_UP,
    LOAD,
    NAMES,
    RUNS,
    H,
    W,
    each,
    stops,
)


def no_list(content):  # CVAT #5831
    del content['annotations']


def empty_list(content):  # Label Studio #4475
    content['annotations'] = []


def one_annotation_per_keypoint(content):  # RectLabel #162
    points = np.reshape([one['keypoints'] for one in content['annotations']], (3, 17, 3))
    content['categories'] = [dict(id=k + 1, name=name) for k, name in enumerate(NAMES)]
    content['annotations'] = [
        dict(id=17 * p + k + 1, image_id=content['annotations'][p]['image_id'], category_id=k + 1,
             iscrowd=0, area=0, segmentation=[[x, y]], bbox=[x, y, 1, 1])
        for p, person in enumerate(points.tolist()) for k, (x, y, _) in enumerate(person)
    ]  # fmt: skip


def box_and_keypoints_apart(content):  # coco-annotator #390
    person = content['annotations'][1]
    box = {key: value for key, value in person.items() if 'keypoints' not in key}
    content['annotations'].append(dict(box, id=14))
    person.update(bbox=[0, 0, 0, 0], area=0, segmentation=[])


def nobody_labeled(content):  # mmpose #1524
    for one in content['annotations']:
        points = np.reshape(one['keypoints'], (-1, 3)) * (1, 1, 0)
        one.update(keypoints=points.ravel().tolist(), num_keypoints=0)


def skeleton_of_other_keypoints(content):  # coco-annotator #304
    content['categories'][0]['skeleton'] = [[4, 3], [32, 33], [21, 20], [0, -1]]


def urls(content):  # labelflow #176
    for image in content['images']:
        image['file_name'] = f'https://localhost/data/upload/{image["file_name"]}'


def turned_size(content):  # Label Studio #6608: EXIF's orientation
    for image in content['images']:
        image.update(width=H, height=W)


def masks_beside_outlines(content):  # cocoapi #307
    content['annotations'][0]['segmentation'] = dict(size=[H, W], counts=[800, 800, W * H - 1600])
    content['annotations'][1]['segmentation'] = [[50, 4, 90, 4, 90, 70]]


def positions_without_labels(content):  # CVAT #6963: points outside keep their positions
    person = content['annotations'][1]
    person['keypoints'][2] = 0
    person['num_keypoints'] = 16


def harmless(content):
    for change in (skeleton_of_other_keypoints, masks_beside_outlines, positions_without_labels):
        change(content)


def image_id_0(content):  # Label Studio #4475
    for image in content['images']:
        image['id'] -= 1
    for one in content['annotations']:
        one['image_id'] -= 1


_no_people = r'no annotation has both a bbox and keypoints: give'
_nothing = r'{}.*AP would be -1.*Give a file of labeled people'
_no_people_but_in_label = {c: text for c, text in stops(_no_people).items() if c != 'label'}
_no_list = _nothing.format(r"people\.json.*has no 'annotations'")

#: Name: (change, {command that stops: what its line says}). All other commands work.
EXPORT_KINDS = {
    'no annotations': (
        no_list,
        {
            **_no_people_but_in_label,
            BOTTOM_UP[1]: _no_list,
            'label': r'people\.json is not a COCO file: .*give',
        },
    ),
    'annotations empty': (empty_list, {**_no_people_but_in_label, BOTTOM_UP[1]: _no_list}),
    'an annotation for each keypoint': (
        one_annotation_per_keypoint,
        {
            **_no_people_but_in_label,
            BOTTOM_UP[1]: r'people\.json.*51 annotation.*without keypoints.*1, 2, .*Leave them out',
        },
    ),
    'box and keypoints apart': (
        box_and_keypoints_apart,
        {
            **stops(r'1 annotation.* without keypoints.*14.*Leave', *RUNS),
            'validate': r'1 annotation.*bbox has no area: 12.*Write',
        },
    ),
    'everybody a crowd': (
        each('annotations', iscrowd=1),
        {
            **stops(r'people\.json.*no person in it has .* iscrowd 0', *LOAD),
            **stops(_nothing.format(r'people\.json.*iscrowd of all its 3'), *BOTTOM_UP),
            'validate': r'no person in it has .* iscrowd 0',
        },
    ),
    'nobody labeled': (
        nobody_labeled,
        {
            **stops(r'all keypoints of its 3 people are unlabeled', *LOAD, 'validate', 'worst'),
            BOTTOM_UP[1]: _nothing.format(r'people\.json.*no keypoint of its 3 people'),
        },
    ),
    'URLs as file names': (
        urls,
        {
            **stops(r'2 image file.*missing.*Write paths within', *LOAD),
            'validate': r'2 image file.*missing.*localhost',
            'worst': r'is missing or not an image',
        },
    ),
    'size of the image as stored': (turned_size, {}),
    'own skeleton, masks and outlines, unlabeled keypoints with positions': (harmless, {}),
    'image id 0': (image_id_0, {}),
}  # fmt: skip
