# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy
import json
import time

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpose.datasets import CocoDataset
from mmpose.registry import DATASETS

from mmpose_ext.datasets import CheckedCocoDataset, DataError
from mmpose_ext.datasets.coco_checks import annotation_problems
from mmpose_ext.datasets.validation import missing_files

NUM_KEYPOINTS = 17
PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(48, 64)),
    dict(
        type='GenerateTarget',
        encoder=dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1),
    ),
    dict(type='PackPoseInputs'),
]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def person(number: int, image: int, **changes) -> dict:
    keypoints = np.tile([30.0, 40.0, 2.0], (NUM_KEYPOINTS, 1))
    keypoints[:, 0] += np.arange(NUM_KEYPOINTS)
    annotation = dict(
        id=number,
        image_id=image,
        category_id=1,
        bbox=[10, 10, 60, 70],
        area=2000.0,
        iscrowd=0,
        num_keypoints=NUM_KEYPOINTS,
        keypoints=keypoints.ravel().tolist(),
    )
    annotation.update(changes)
    return annotation


@pytest.fixture
def content() -> dict:
    """Return the content of three images with two people, one person and nobody."""
    return dict(
        images=[dict(id=i, file_name=f'{i}.png', width=100, height=90) for i in (1, 2, 3)],
        annotations=[person(11, 1), person(12, 1), person(13, 2)],
        categories=[dict(id=1, name='person')],
    )


@pytest.fixture
def build(tmp_path, content):
    """Return ``build(**settings)``, which writes content and detections and makes the data set."""
    (tmp_path / 'images').mkdir()
    for image in content['images']:
        picture = np.full((90, 100, 3), 127, np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / image['file_name']), picture)

    def make(cls=CheckedCocoDataset, detections=None, text=None, **settings):
        written = json.dumps(content) if text is None else text
        (tmp_path / 'people.json').write_text(written)
        if detections is not None:
            (tmp_path / 'detections.json').write_text(json.dumps(detections))
            settings.update(bbox_file=str(tmp_path / 'detections.json'), test_mode=True)
        settings = dict(ann_file='people.json', data_prefix=dict(img='images/'), **settings)
        return cls(data_root=str(tmp_path), **settings)

    return make


def detection(image: int, **changes) -> dict:
    return dict(image_id=image, category_id=1, bbox=[5, 5, 50, 60], score=0.9, **changes)


def refusal(build, **settings) -> str:
    """Return the one-line message of the error that building the data set raises."""
    with pytest.raises(DataError) as info:
        build(**settings)
    message = str(info.value)
    assert '\n' not in message
    return message


@pytest.mark.parametrize(
    'settings',
    [
        dict(),  # top-down training
        dict(test_mode=True),
        dict(data_mode='bottomup'),
        dict(data_mode='bottomup', test_mode=True),  # images without people included
        dict(detections=[detection(1), detection(3), dict(detection(2), category_id=5)]),
        dict(indices=2),
        dict(lazy_init=True),
        dict(serialize_data=False),
        dict(detections=[detection(1), detection(2)], filter_cfg=dict(bbox_score_thr=0.1)),
    ],
)
def test_samples_are_those_of_coco_dataset(build, content, settings):
    content['annotations'] += [
        person(14, 2, iscrowd=1),
        person(15, 2, num_keypoints=0, keypoints=[0] * 51),
        dict(id=16, image_id=2, category_id=1),  # a person without box and keypoints
    ]
    ours = build(**settings)
    theirs = build(cls=CocoDataset, **settings)
    assert ours.metainfo.keys() == theirs.metainfo.keys()
    assert len(ours) == len(theirs) > 0
    for index in range(len(theirs)):
        a, b = ours.get_data_info(index), theirs.get_data_info(index)
        assert a.keys() == b.keys()
        for key, value in b.items():
            np.testing.assert_equal(a[key], value)


def test_registered():
    assert DATASETS.get('CheckedCocoDataset') is CheckedCocoDataset


def test_images_without_people_are_skipped_in_training(build):
    assert {build().get_data_info(i)['img_id'] for i in range(3)} == {1, 2}
    assert len(build(data_mode='bottomup')) == 2


# --- the annotation file itself


def test_missing_file(build):
    with pytest.raises(DataError, match=r'ann_file .*none\.json does not exist'):
        CheckedCocoDataset(ann_file='none.json')
    with pytest.raises(DataError, match='ann_file is not set'):
        CheckedCocoDataset()


@pytest.mark.parametrize(
    'text, fault',
    [
        ('', 'is empty'),
        ('{"images": [', 'is not valid JSON'),  # cut short
        ('\x00\x01', 'is not valid JSON'),
        ('[]', 'holds a list, not a dict'),  # a detection file given as ann_file
        ('{}', 'holds no images'),
        ('{"images": [1]}', 'holds no images'),
        ('{"images": [{"id": 1}]}', "image(s) without 'file_name'"),
        (
            '{"images": [{"id": 1, "file_name": "1.png", "width": 1, "height": 1}],'
            ' "annotations": [{"id": 1}]}',
            "annotation(s) without 'image_id'",
        ),
    ],
)
def test_unusable_file(build, text, fault):
    message = refusal(build, text=text)
    assert 'ann_file' in message and 'people.json' in message and fault in message


@pytest.mark.parametrize('settings', [dict(), dict(test_mode=True), dict(data_mode='bottomup')])
def test_no_annotations(build, content, settings):
    content['annotations'] = []
    assert 'no annotation has both a bbox and keypoints' in refusal(build, **settings)
    del content['annotations']
    assert 'no annotation has both a bbox and keypoints' in refusal(build, **settings)


def test_bottom_up_testing_needs_no_annotations(build, content):
    # as for COCO test-dev
    content['annotations'] = []
    assert len(build(data_mode='bottomup', test_mode=True)) == 3


def test_no_usable_person(build, content):
    for annotation in content['annotations']:
        annotation['bbox'] = [10, 10, 0, 0]
    message = refusal(build)
    assert 'people.json' in message and 'positive size' in message


def test_all_keypoints_unlabeled(build, content):
    for annotation in content['annotations']:
        annotation['keypoints'][2::3] = [0] * NUM_KEYPOINTS
    assert 'all keypoints of its 3 people are unlabeled' in refusal(build)
    content['annotations'][0]['keypoints'][2] = 1
    assert len(build()) == 3


@pytest.mark.parametrize('length', [51 - 3, 51 + 3, 50, 0])
def test_wrong_keypoint_count(build, content, length):
    content['annotations'][1]['keypoints'] = ([1.0] * 60)[:length]
    message = refusal(build)
    assert 'do not have 17 keypoints' in message and 'ids 12' in message
    assert f'{length} numbers' in message


@pytest.mark.parametrize('value', [float('nan'), float('inf'), None])
def test_keypoints_that_are_no_numbers(build, content, value):
    content['annotations'][1]['keypoints'][3] = value
    message = refusal(build)
    assert 'infinite or NaN keypoints: 12' in message


@pytest.mark.parametrize('box', [[1, 2, 3], [1, 2, 3, None], [1, 2, 3, float('nan')], 'box', None])
def test_malformed_box(build, content, box):
    content['annotations'][2]['bbox'] = box
    assert 'bbox is not 4 finite numbers: 13' in refusal(build)


def test_ids(build, content):
    content['annotations'][0]['image_id'] = 99
    assert 'images that are not in it: 11' in refusal(build)
    content['annotations'][0].update(image_id=1, id=12)
    assert 'repeated annotation id(s): 12' in refusal(build)
    content['annotations'][0]['id'] = 11
    content['images'].append(copy.deepcopy(content['images'][1]))
    assert 'repeated image id(s): 2' in refusal(build)


# --- images


def test_missing_images_are_counted_and_named(build, content, tmp_path):
    (tmp_path / 'images' / '3.png').unlink()  # nobody is in it, so training does not use it
    assert len(build()) == 3
    assert '1 image file(s)' in refusal(build, data_mode='bottomup', test_mode=True)
    (tmp_path / 'images' / '1.png').unlink()
    message = refusal(build)
    assert '1 image file(s)' in message and '1.png' in message and "data_prefix['img']" in message
    assert len(build(check_images=False)) == 3


def test_missing_image_folder():
    assert missing_files(['/nowhere/a.jpg', '/nowhere/a.jpg', 's3://bucket/b.jpg']) == [
        '/nowhere/a.jpg'
    ]


@pytest.mark.parametrize('data', [b'', b'no image', b'\x89PNG\r\n\x1a\n' + b'\x00' * 50])
def test_unreadable_image_is_named(build, tmp_path, data):
    (tmp_path / 'images' / '2.png').write_bytes(data)
    dataset = build(pipeline=PIPELINE)
    dataset[0]
    with pytest.raises(Exception, match=r'images/2\.png'):
        dataset[2]


# --- keypoints outside the image


def test_keypoint_outside_stays_and_gets_no_weight(build, content):
    outside = content['annotations'][2]['keypoints']
    outside[0:3] = [-500.0, 40.0, 2]  # left of the image
    outside[3:6] = [30.0, 5000.0, 2]  # below
    dataset = build(pipeline=PIPELINE)
    sample = dataset.get_data_info(2)
    np.testing.assert_array_equal(sample['keypoints'][0, :2], [[-500, 40], [30, 5000]])
    packed = dataset[2]['data_samples']
    weights = packed.gt_instance_labels.keypoint_weights[0]
    assert weights[:2].tolist() == [0, 0] and weights[2:].min() > 0
    heatmaps = packed.gt_fields.heatmaps
    assert heatmaps[:2].max() == 0 and heatmaps.isfinite().all()


# --- detection files


def test_detection_file_with_unknown_images(build):
    message = refusal(build, detections=[detection(1), detection(77), detection(78)])
    assert 'bbox_file' in message and 'detections.json' in message
    assert '2 image id(s) that are not in ann_file' in message and '77, 78' in message


@pytest.mark.parametrize(
    'detections, fault',
    [
        ({}, 'holds a dict, not a list'),
        ([1], 'holds a list, not a list of dicts: give detections with'),
        ([], 'none of its 0 detections is a person'),
        ([dict(detection(1), category_id=2)], 'none of its 1 detections is a person'),
        ([dict(image_id=1, category_id=1)], "detection(s) without 'bbox'"),
        ([dict(detection(1), bbox=[1, 2])], 'bbox or score is not a finite number: 0'),
        ([detection(2), dict(detection(1), bbox=[1, 2, 3, None])], 'not a finite number: 1'),
        ([dict(detection(1), bbox=[1, 2, float('nan'), 3])], 'not a finite number: 0'),
        ([dict(detection(1), score='high')], 'not a finite number: 0'),
    ],
)
def test_malformed_detection_file(build, detections, fault):
    message = refusal(build, detections=detections)
    assert 'bbox_file' in message and fault in message


def test_detection_file_that_is_no_json(build, tmp_path):
    (tmp_path / 'boxes.json').write_text('[{')
    settings = dict(test_mode=True)
    assert 'not valid JSON' in refusal(build, bbox_file=str(tmp_path / 'boxes.json'), **settings)
    (tmp_path / 'boxes.json').write_text('')
    assert 'is empty' in refusal(build, bbox_file=str(tmp_path / 'boxes.json'), **settings)
    assert 'does not exist' in refusal(build, bbox_file=str(tmp_path / 'no.json'), **settings)
    (tmp_path / 'boxes.pkl').write_text('')
    assert 'not a .json file' in refusal(build, bbox_file=str(tmp_path / 'boxes.pkl'), **settings)


def test_threshold_that_leaves_nothing(build):
    message = refusal(build, detections=[detection(1)], filter_cfg=dict(bbox_score_thr=0.95))
    assert 'bbox_score_thr' in message and 'none of the 1 samples' in message


def test_annotations_with_faults_are_named_beside_a_detection_file(build, content):
    content['images'][0].pop('file_name')
    message = refusal(build, detections=[detection(1)])
    assert 'ann_file' in message and "without 'file_name'" in message


# --- speed


def seconds_of_checks(count: int) -> float:
    """Return the CPU time for the checks of this many people, two per image."""
    images = [dict(id=i, file_name=f'{i}.jpg', width=9, height=9) for i in range(count // 2)]
    template = person(0, 0)
    annotations = [dict(template, id=i, image_id=i // 2) for i in range(count)]
    start = time.process_time()
    assert annotation_problems(dict(images=images, annotations=annotations), 17, True) == []
    return time.process_time() - start


def test_checks_take_time_in_proportion_to_the_people():
    """The 149,813 people of COCO train2017 take 2 seconds on a free core, or 30 us per person.

    The bound is on a ratio, as a tracer or a busy machine makes any number of seconds too few:
    8 times the people, 64 times where each were compared with all.
    """
    seconds_of_checks(1_000)  # the first call does more
    few = min(seconds_of_checks(5_000) for _ in range(3))
    assert min(seconds_of_checks(40_000) for _ in range(2)) < 24 * few


def test_real_coco_files(shared_data):
    root = shared_data / 'coco-real'
    dataset = CheckedCocoDataset(
        data_root=str(root), ann_file='train.json', data_prefix=dict(img='images/')
    )
    assert len(dataset) > 0
    samples = shared_data / 'mmpose-samples' / 'coco'
    tested = CheckedCocoDataset(
        data_root=str(samples),
        ann_file='test_coco.json',
        bbox_file=str(samples / 'test_coco_det_AP_H_56.json'),
        test_mode=True,
    )
    assert len(tested) > 0
