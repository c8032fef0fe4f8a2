# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json

import numpy as np
import pytest

from mmpose_ext.apps.predict.person_boxes import (
    DetectorBoxes,
    FileBoxes,
    WholeImageBoxes,
    select_boxes,
)
from mmpose_ext.apps.shared.image_ids import ImageIds
from mmpose_ext.apps.shared.inputs import Frame, Source


def frame(path='1.png', index=None, size=(20, 30)):
    kind = 'image' if index is None else 'video'
    return Frame(Source(kind, path, path.split('/')[-1]), index, np.zeros((*size, 3), np.uint8))


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def detection(image_id, score):
    return dict(image_id=image_id, category_id=1, bbox=[1, 2, 10, 20], score=score)


@pytest.fixture
def ids(tmp_path):
    images = [dict(id=7, file_name='val/1.png'), dict(id=8, file_name='val/2.png')]
    images += [dict(id=9, file_name='a/3.png'), dict(id=10, file_name='b/3.png')]
    return ImageIds(write(tmp_path / 'ann.json', dict(images=images)))


@pytest.mark.parametrize(
    'path, image_id',
    [
        ('1.png', 7),  # without its folder
        ('/data/val/1.png', 7),
        ('/data/other/2.png', 8),  # another folder, but one file of that name
        ('x/b/3.png', 10),
        ('3.png', None),  # a/3.png or b/3.png?
        ('4.png', None),
    ],
)
def test_ids_by_the_longest_end_of_the_path(path, image_id, ids):
    assert ids.of(frame(path)) == image_id
    known, unknown = ids.split([frame(path).source])
    assert (len(known), len(unknown)) == ((0, 1) if image_id is None else (1, 0))


def test_names_are_ids_without_an_annotation_file():
    assert ImageIds().of(frame('x/1.png')) == '1.png'
    assert ImageIds().of(frame('x/clip.mp4', 3)) == 'clip.mp4#3'


def test_video_frames_have_no_id_in_a_file(ids):
    assert ids.of(frame('1.png', 0)) is None


def test_boxes_of_a_file(ids, tmp_path):
    content = [detection(7, 0.4), detection(8, 0.8), detection(7, 0.6)]
    content.append(dict(detection(7, 0.99), category_id=3))  # no person
    boxes = FileBoxes(write(tmp_path / 'd.json', content), ids)
    first, second, nobody = boxes([frame('1.png'), frame('2.png'), frame('b/3.png')])
    np.testing.assert_allclose(first, [[1, 2, 11, 22, 0.4], [1, 2, 11, 22, 0.6]])
    assert second.shape == (1, 5) and nobody.shape == (0, 5)
    strict = FileBoxes(tmp_path / 'd.json', ids, score_thr=0.5, nms_thr=0.5)
    np.testing.assert_allclose(strict([frame('1.png')])[0], [[1, 2, 11, 22, 0.6]])


def test_a_file_may_hold_names(tmp_path):
    boxes = FileBoxes(write(tmp_path / 'd.json', [detection('1.png', 0.4)]), ImageIds())
    assert len(boxes([frame('x/1.png')])[0]) == 1


@pytest.mark.parametrize(
    'content, message',
    [
        ([], 'd.json'),
        ({}, 'd.json'),
        ([dict(image_id=7)], 'bbox'),
        ([dict(detection(7, 0.5), bbox=[1, 2, None, 4])], 'd.json'),
    ],
)
def test_bad_files_are_refused(content, message, ids, tmp_path):
    with pytest.raises(ValueError, match=message):
        FileBoxes(write(tmp_path / 'd.json', content), ids)


def test_whole_images():
    np.testing.assert_allclose(WholeImageBoxes()([frame(size=(20, 30))])[0], [[0, 0, 30, 20, 1]])


@pytest.mark.parametrize(
    'score_thr, nms_thr, kept',
    [(0.0, None, [0, 1, 2]), (0.3, None, [0, 1]), (0.0, 0.5, [0, 2]), (0.95, 0.5, [])],
)
def test_selection(score_thr, nms_thr, kept):
    boxes = np.array([[0, 0, 10, 10, 0.9], [1, 0, 10, 10, 0.8], [20, 20, 30, 30, 0.2]])
    np.testing.assert_array_equal(select_boxes(boxes, score_thr, nms_thr), boxes[kept])


def test_a_detectors_boxes_are_selected():
    class Detector:
        def boxes(self, images):
            return [np.array([[0, 0, 9, 9, 0.9], [0, 0, 9, 9.5, 0.8], [0, 0, 2, 2, 0.1]])] * len(
                images
            )

    found = DetectorBoxes(Detector())([frame(), frame()])
    assert [boxes[:, 4].tolist() for boxes in found] == [[0.9], [0.9]]
