# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import copy
import json
import runpy
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from small_models import give_clear_peaks

from mmpose_ext.apps.small_people.labeling import MARK, label_small_people
from mmpose_ext.datasets import DataError
from mmpose_ext.engine import CheckpointMismatchError
from mmpose_ext.utils.sequences import zip_equal

CONFIG = 'configs/demo/attention_resnet18_128x96.py'
K = 17


def person(number, box, image=1, **changes):
    annotation = dict(
        id=number, image_id=image, category_id=1, bbox=box, iscrowd=0, num_keypoints=0,
        keypoints=[0] * (3 * K), area=box[2] * box[3],
    )  # fmt: skip
    annotation.update(changes)
    return annotation


@pytest.fixture
def paths(root, tmp_path):
    """Write two images, six annotations (three of small people) and weights with clear peaks."""
    labeled = np.tile([20.5, 30.5, 2.0], K).tolist()
    content = dict(
        info=dict(note='kept'),
        images=[dict(id=i, file_name=f'{i}.png', width=120, height=90) for i in (1, 2)],
        annotations=[
            person(1, [10.0, 10.0, 30.0, 40.0]),
            person(2, [10.0, 10.0, 30.0, 40.0], keypoints=labeled, num_keypoints=K),
            person(3, [0.0, 0.0, 120.0, 90.0], iscrowd=1),
            person(4, [60.0, 20.0, 20.0, 20.0], image=2),
            person(5, [60.0, 20.0, 0.0, 20.0], image=2),
            person(6, [5.0, 5.0, 80.0, 80.0], image=2),
        ],
        categories=[dict(id=1, name='person')],
    )
    rng = np.random.default_rng(0)
    for i in (1, 2):
        blobs = rng.integers(0, 255, (9, 12, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'{i}.png'), cv2.resize(blobs, (120, 90)))
    (tmp_path / 'people.json').write_text(json.dumps(content))
    init_default_scope('mmpose')
    cfg = Config.fromfile(root / CONFIG)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    give_clear_peaks(model, cfg.codec.input_size)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    return dict(
        config=str(root / CONFIG),
        checkpoint=str(tmp_path / 'weights.pth'),
        ann_file=str(tmp_path / 'people.json'),
        image_dir=str(tmp_path),
        out_file=str(tmp_path / 'out.json'),
    )


def read(path):
    with open(path) as file:
        return json.load(file)


def test_people_without_keypoints_get_some_and_all_else_stays(paths):
    assert label_small_people(**paths, keypoint_thr=-9) == (3, 3)
    before, after = read(paths['ann_file']), read(paths['out_file'])
    marked = [a['id'] for a in after['annotations'] if MARK in a]
    assert marked == [1, 4, 6]
    for old, new in zip_equal(before['annotations'], after['annotations']):
        new = copy.deepcopy(new)
        if new.pop(MARK, None):
            assert new['num_keypoints'] == K and new['keypoints'][2::3] == [2.0] * K
            x, y, w, h = new['bbox']
            points = np.array(new['keypoints']).reshape(K, 3)
            # in the crop, which is 1.25 times the box and has the network's aspect ratio
            away = abs(points[:, :2] - [x + w / 2, y + h / 2]).max(1)
            assert (away < max(w, h)).all() and away.max() > 1
            new.update(keypoints=old['keypoints'], num_keypoints=0)
        assert new == old
    assert after['info'] == before['info'] and after['images'] == before['images']


def test_keypoints_below_the_threshold_stay_unlabeled(paths):
    assert label_small_people(**paths, keypoint_thr=99.0) == (0, 3)
    assert read(paths['out_file']) == read(paths['ann_file'])
    assert label_small_people(**paths, keypoint_thr=-9, least_keypoints=K + 1) == (0, 3)
    assert label_small_people(**paths, keypoint_thr=-9, max_area=1300) == (2, 2)


def test_batches_do_not_change_the_result(paths):
    label_small_people(**paths, keypoint_thr=-9, batch_size=1)
    one = read(paths['out_file'])
    label_small_people(**paths, keypoint_thr=-9, batch_size=8)
    for a, b in zip_equal(one['annotations'], read(paths['out_file'])['annotations']):
        np.testing.assert_allclose(a['keypoints'], b['keypoints'], atol=0.1)


def test_what_does_not_fit_is_refused(paths, root, tmp_path):
    with pytest.raises(ValueError, match='keep the original'):
        label_small_people(**dict(paths, out_file=paths['ann_file']))
    with pytest.raises(ValueError, match='give a top-down config'):
        config = str(root / 'configs/demo/strongpose_resnet18_193x193.py')
        label_small_people(**dict(paths, config=config))
    with pytest.raises(CheckpointMismatchError, match='does not belong'):
        torch.save(dict(state_dict=dict(a=torch.zeros(1))), tmp_path / 'other.pth')
        label_small_people(**dict(paths, checkpoint=str(tmp_path / 'other.pth')))
    content = read(paths['ann_file'])
    content['annotations'][0]['keypoints'] = [0] * 42
    (tmp_path / 'people.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match='people.json cannot be used.* 1 annotation.* 17 keypoints'):
        label_small_people(**paths)
    (tmp_path / 'people.json').write_text('[]')
    with pytest.raises(DataError, match='not a COCO file'):
        label_small_people(**paths)
    assert not (tmp_path / 'out.json').exists()


def test_command_line(paths, root, monkeypatch, capsys):
    tool = str(root / 'tools' / 'label_small_people.py')
    monkeypatch.setattr(sys, 'argv', [tool, *paths.values(), '--keypoint-thr=-9'])
    runpy.run_path(tool, run_name='__main__')
    assert '3 of 3 people without keypoints are now labeled' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', [tool, *dict(paths, image_dir='nowhere').values()])
    with pytest.raises(SystemExit, match='error: .*nowhere'):
        runpy.run_path(tool, run_name='__main__')
