# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faulty detections, results and images end in one line that says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from reported_files import perfect_results, sound_content, write_kind
from test_reports import STEPS, run, run_config

from mmpose_ext.apps.main import main
from mmpose_ext.apps.small_people import label_small_people
from mmpose_ext.datasets import DataError


def detections(**changes) -> list[dict]:
    people = sound_content()['annotations']
    boxes = [dict(image_id=p['image_id'], category_id=1, bbox=p['bbox'], score=0.9) for p in people]
    boxes[1].update(changes)
    return boxes


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(bbox=[90, 4, -40, 72]), r'negative width or height: 1 .*Write \[x, y'),
        (dict(image_id=[1]), r'image id\(s\) that are not in .*Give the detections'),
        (dict(score=None), r'not a finite number: 1'),
    ],
)
@pytest.mark.parametrize('command', ['test', 'predict', 'validate'])
def test_detections(changes, message, command, tmp_path, capsys, request):
    file, boxes = write_kind('sound', tmp_path), tmp_path / 'boxes.json'
    boxes.write_text(json.dumps(detections(**changes)))
    if command == 'test':
        with pytest.raises(DataError, match=rf'boxes\.json cannot be used: .*{message}'):
            run(run_config(file, **{'test_dataloader.dataset.bbox_file': str(boxes)}), 'test')
        return
    arguments = ['validate', str(file), '--detections', str(boxes)]
    if command == 'predict':
        model = request.getfixturevalue('topdown')
        arguments = ['predict', str(model.config), str(model.checkpoint), str(tmp_path / 'images')]
        arguments += ['--detections', str(boxes), '--ann', str(file), '--out', str(tmp_path / 'o')]
    assert main(arguments) != 0
    assert re.search(message, ''.join(capsys.readouterr()))


def test_detections_whose_category_is_a_text(tmp_path):
    file = write_kind('sound', tmp_path)
    boxes = [dict(box, category_id='1') for box in detections()]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    cfg = run_config(file, **{'test_dataloader.dataset.bbox_file': str(tmp_path / 'boxes.json')})
    with pytest.raises(DataError, match=r"none of its 3.*category_id 1.*the first has '1'"):
        run(cfg, 'test')


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(keypoints=None), 'result 1 has a score or keypoints that are not numbers'),
        (dict(score='high'), 'result 1 has a score or keypoints that are not numbers'),
        (dict(image_id=[1]), r'result 1 belongs to image \[1\]'),
        (None, r"result 1 has no \['image_id'.*give the file of CocoMetric"),
        (dict(keypoints=[[5, 5, 1]] * 17), r'result 1 has .* not numbers: write x, y, score'),
        (dict(keypoints=[5, 5] * 17), r'result 1 has 34 numbers for keypoints.* the 17 of'),
    ],
)
def test_results_of_worst(changes, message, tmp_path, capsys):
    file = write_kind('sound', tmp_path)
    results = perfect_results(sound_content())
    results[1] = 5 if changes is None else dict(results[1], **changes)
    (tmp_path / 'results.json').write_text(json.dumps(results))
    arguments = [str(tmp_path / 'results.json'), '--ann', str(file)]
    arguments += ['--images', str(tmp_path / 'images'), '--out', str(tmp_path / 'out')]
    assert main(['worst', *arguments]) == 2
    text = capsys.readouterr().err
    assert re.search(rf'results\.json.*people\.json: {message}', text)


@pytest.mark.parametrize('fault', ['missing', 'damaged'])
def test_images_of_label_small_people(fault, tmp_path, topdown):
    file = write_kind('sound', tmp_path)
    content = json.loads(file.read_text())
    content['annotations'][2].update(keypoints=[0] * 51, num_keypoints=0)
    file.write_text(json.dumps(content))
    picture = Path(tmp_path / 'images' / '2.png')
    picture.unlink() if fault == 'missing' else picture.write_bytes(b'none')
    message = {
        'missing': r'people\.json are missing: .*2\.png',
        'damaged': r'2\.png is cut short, damaged or not an image',
    }
    with pytest.raises(DataError, match=message[fault]):
        label_small_people(
            str(topdown.config), str(topdown.checkpoint), str(file), str(picture.parent),
            str(tmp_path / 'out.json'),
        )  # fmt: skip
    assert not (tmp_path / 'out.json').exists()


def test_labeled_people_keep_their_keypoints(tmp_path, topdown):
    file = write_kind('sound', tmp_path)
    content = json.loads(file.read_text())
    content['annotations'][1]['num_keypoints'] = 0  # in fact, 17 are labeled
    file.write_text(json.dumps(content))
    images, out = str(tmp_path / 'images'), tmp_path / 'out.json'
    arguments = (str(topdown.config), str(topdown.checkpoint), str(file), images, str(out))
    assert label_small_people(*arguments) == (0, 0)
    assert json.loads(out.read_text()) == content


def test_people_who_are_not_tested_are_named(tmp_path):
    file = write_kind('box without extent', tmp_path)
    metrics = run(run_config(file), 'test')
    assert metrics['coco/AP'] < 1
    log = next((tmp_path / 'work').glob('*/*.log')).read_text()
    assert '1 annotated people of' in log and 'count as missed' in log and 'annotations 12' in log


def test_metric_without_a_file(tmp_path):
    """Outside test mode, the metric reads the samples' annotations, which need iscrowd."""
    file = write_kind('no iscrowd, num_keypoints', tmp_path)
    cfg = run_config(file, **{'val_dataloader.dataset.test_mode': False})
    del cfg.val_evaluator['ann_file']
    with pytest.raises(DataError, match=r"3 annotation.* without 'iscrowd': 11.*Add it"):
        run(cfg, 'train')
    assert not STEPS
