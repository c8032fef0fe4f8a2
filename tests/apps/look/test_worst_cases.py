# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import csv
import json

import cv2
import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmpose_ext.apps.look.matched_people import Case
from mmpose_ext.apps.look.worst_cases import draw_case
from mmpose_ext.apps.main import main
from mmpose_ext.utils.metainfo import COCO_METAINFO
from mmpose_ext.visualization.skeleton import Skeleton

PLACES = np.random.default_rng(3).uniform(10, 60, (17, 2))


def keypoints(shift=(0, 0), last=2.0):
    return np.column_stack([PLACES + shift, np.full(17, last)]).ravel().tolist()


@pytest.fixture
def run(tmp_path):
    """Write two images: a person found well and one missed; one found badly, a false positive."""
    people = [(1, 1, (0, 0)), (2, 1, (90, 0)), (3, 2, (0, 0))]
    annotations = [
        dict(id=n, image_id=image, category_id=1, keypoints=keypoints(shift), num_keypoints=17,
             bbox=[shift[0], 0, 60, 60], area=2500, iscrowd=0)
        for n, image, shift in people
    ]  # fmt: skip
    found = [(1, (0, 0), 0.9), (2, (4, 0), 0.8), (2, (90, 30), 0.4)]
    results = [
        dict(image_id=i, category_id=1, keypoints=keypoints(shift, 0.9), score=score)
        for i, shift, score in found
    ]
    images = [dict(id=i, file_name=f'{i}.png', width=160, height=100) for i in (1, 2)]
    truth = dict(images=images, annotations=annotations, categories=[dict(id=1, name='person')])
    (tmp_path / 'ann.json').write_text(json.dumps(truth))
    (tmp_path / 'results.json').write_text(json.dumps(results))
    for i in (1, 2):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((100, 160, 3), np.uint8))
    return tmp_path


def worst(run, *more):
    paths = [str(run / 'results.json'), '--ann', str(run / 'ann.json'), '--images', str(run)]
    return main(['worst', *paths, '--out', str(run / 'out'), *more])


def test_table_and_pictures(run, capsys):
    assert worst(run) == 0
    rows = list(csv.DictReader((run / 'out' / 'cases.csv').open()))
    order = [(row['kind'], row['image_id'], row['annotation_id']) for row in rows]
    assert order == [
        ('missed', '1', '2'), ('found', '2', '3'), ('found', '1', '1'), ('false positive', '2', ''),
    ]  # fmt: skip
    assert float(rows[2]['oks']) == 1 and 0.1 < float(rows[1]['oks']) < 0.9
    assert rows[1]['worst_distance'] == '4.0'
    assert {p.name for p in (run / 'out').glob('*.png')} == {
        'overview.png', *(row['picture'] for row in rows)
    }  # fmt: skip
    assert 'missed               1' in capsys.readouterr().out
    assert worst(run, '--number', '1', '--score-thr', '0.5') == 0
    rows = list(csv.DictReader((run / 'out' / 'cases.csv').open()))
    assert [bool(row['picture']) for row in rows] == [True, False, False]


def halves(picture):
    width = (picture.shape[1] - 2) // 2
    return picture[:, :width].any(-1), picture[:, width + 2 :].any(-1)


def test_truth_is_left_and_prediction_right():
    skeleton = Skeleton.from_metainfo(parse_pose_metainfo(dict(from_file=COCO_METAINFO)))
    image = np.zeros((200, 200, 3), np.uint8)
    truth, found = dict(keypoints=keypoints((40, 40))), dict(keypoints=keypoints((40, 70), 0.5))
    left, right = halves(
        draw_case(image, Case('found', 1, 0.5, 0.9, truth, found), [], skeleton).picture
    )
    rows_left, rows_right = (np.nonzero(half.any(1))[0] for half in (left, right))
    shift = rows_right.min() - rows_left.min()
    height = rows_left.max() - rows_left.min()
    zoom = height / np.ptp(PLACES[:, 1])
    assert abs(shift / zoom - 30) < 4
    left, right = halves(
        draw_case(image, Case('missed', 1, 0.0, None, truth, None), [], skeleton).picture
    )
    assert left.any() and not right.any()
    wrong = Case('false positive', 1, 0.0, 0.4, None, found)
    left, right = halves(draw_case(image, wrong, [], skeleton).picture)
    assert right.any() and not left.any()


def test_the_other_people_are_pale():
    skeleton = Skeleton.from_metainfo(parse_pose_metainfo(dict(from_file=COCO_METAINFO)))
    image = np.zeros((120, 120, 3), np.uint8)
    other = Case('found', 1, 1.0, 0.9, dict(keypoints=keypoints()), dict(keypoints=keypoints()))
    missed = Case('missed', 1, 0.0, None, dict(keypoints=keypoints((20, 20))), None)
    tile = draw_case(image, missed, [other], skeleton)
    width = (tile.picture.shape[1] - 2) // 2
    left, right = tile.picture[:, :width], tile.picture[:, width + 2 :]
    assert 0 < right.max() <= 130 < left.max()


def test_missing_images_are_named_and_the_rest_is_drawn(run, capsys):
    (run / '1.png').unlink()
    assert worst(run) == 1
    assert '1.png' in capsys.readouterr().err
    assert len(list((run / 'out').glob('*image2.png'))) == 2


@pytest.mark.parametrize(
    'name, content, message',
    [
        ('results.json', '[{"image_id": 9, "keypoints": [], "score": 1}]', 'image 9'),
        ('results.json', '{"a"', 'not valid JSON'),
        ('ann.json', '[]', 'ann.json cannot be used: it holds a list'),
        ('ann.json', None, 'ann.json'),
    ],
)
def test_files_that_do_not_fit(run, capsys, name, content, message):
    (run / name).write_text(content) if content else (run / name).unlink()
    assert worst(run) == 2
    assert message in capsys.readouterr().err
    assert not (run / 'out').exists()
