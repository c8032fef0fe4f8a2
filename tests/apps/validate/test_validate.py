# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json

import cv2
import numpy as np
import pytest

from mmpose_ext.apps.main import main


@pytest.fixture
def folder(tmp_path):
    """Write ``people.json`` with annotations 11 and 12 on images 1 and 2, and the images."""
    keypoints = [20.0, 30.0, 2] * 17
    content = dict(
        images=[dict(id=i, file_name=f'{i}.png', width=80, height=60) for i in (1, 2)],
        annotations=[
            dict(
                id=10 + i,
                image_id=i,
                category_id=1,
                bbox=[5, 5, 50, 50],
                area=1250,
                num_keypoints=17,
                keypoints=keypoints,
            )
            for i in (1, 2)
        ],
        categories=[dict(id=1, name='person')],
    )
    (tmp_path / 'people.json').write_text(json.dumps(content))
    for i in (1, 2):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((60, 80, 3), np.uint8))
    return tmp_path


def test_valid_set(folder, capsys):
    arguments = ['validate', str(folder / 'people.json'), '--images', str(folder)]
    assert main([*arguments, '--depth', 'images', '--workers', '2']) == 0
    out = capsys.readouterr().out
    assert '2 images, 2 annotations, 2 usable people, 2 image files: no error(s)' in out


def test_faults_are_listed_and_written(folder, capsys):
    (folder / '2.png').unlink()
    report = folder / 'report.json'
    arguments = ['--images', str(folder), '--json', str(report)]
    assert main(['validate', str(folder / 'people.json'), *arguments]) == 1
    out = capsys.readouterr().out
    assert 'annotation 12 (image 2, 2.png)' in out and 'image-missing' in out
    written = json.loads(report.read_text())
    assert written['findings'][0]['annotation_ids'] == [12]


def test_strict_and_limit(folder, capsys):
    content = json.loads((folder / 'people.json').read_text())
    for annotation in content['annotations']:
        annotation['keypoints'][0] = -9
    (folder / 'people.json').write_text(json.dumps(content))
    arguments = ['validate', str(folder / 'people.json')]
    assert main(arguments) == 0
    assert main([*arguments, '--strict', '--limit', '1']) == 1
    assert '... and 1 more' in capsys.readouterr().out


def test_detections(folder, capsys):
    found = [dict(image_id=3, category_id=1, bbox=[1, 2, 3, 4], score=0.5)]
    (folder / 'detections.json').write_text(json.dumps(found))
    arguments = ['--detections', str(folder / 'detections.json')]
    assert main(['validate', str(folder / 'people.json'), *arguments]) == 1
    assert '1 image id(s) that are not in ann_file' in capsys.readouterr().out
    (folder / 'detections.json').write_text('[')
    assert main(['validate', str(folder / 'people.json'), *arguments]) == 1
    assert 'not valid JSON' in capsys.readouterr().out


def test_unreadable_file(folder, capsys):
    assert main(['validate', str(folder / 'none.json')]) == 1
    assert 'none.json does not exist' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, text',
    [
        (['--depth', 'images'], 'needs --images'),
        (['--workers', '0'], '--workers'),
        (['--limit', '-1'], '--limit'),
        (['--num-keypoints', '-1'], '--num-keypoints'),
        (['--json', '/dev/null/report.json'], 'cannot write /dev/null/report.json'),
    ],
)
def test_wrong_arguments(folder, capsys, arguments, text):
    assert main(['validate', str(folder / 'people.json'), *arguments]) == 2
    assert text in capsys.readouterr().err
