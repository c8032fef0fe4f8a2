# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Ignore regions of PoseTrack18 reach the mask of the loss."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from PIL import Image

from mmpose_ext.datasets import PersonMasks
from mmpose_ext.datasets.body.posetrack18 import ignore_regions

W, H = 160, 120
LEFT, RIGHT = [10, 40, 40, 10], [100, 150, 150, 100]
TOP = [20, 20, 90, 90]


def write(folder, x, y):
    """Write one frame with a person in its middle."""
    Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(folder / '0.jpg')
    rng = np.random.default_rng(0)
    points = np.c_[rng.uniform((50, 20), (90, 100), (17, 2)), np.full(17, 1)]
    frame = dict(id=1, file_name='0.jpg', width=W, height=H, is_labeled=True)
    frame.update(ignore_regions_x=x, ignore_regions_y=y)
    person = dict(id=2, image_id=1, category_id=1, bbox=[50, 20, 40, 80], track_id=0)
    person['keypoints'] = points.ravel().tolist()
    category = dict(id=1, name='person')
    content = dict(images=[frame], annotations=[person], categories=[category])
    (folder / 'people.json').write_text(json.dumps(content))


@pytest.mark.parametrize(
    'x, y, expected',
    [
        ([LEFT, RIGHT], [TOP, TOP], [(25, 50), (120, 50)]),
        (LEFT, TOP, [(25, 50)]),  # one region without a list around it
        ([], [], []),
        ([LEFT, [1, 2]], [TOP, [1, 2]], [(25, 50)]),  # a line has no inside
    ],
)
@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_no_loss_in_ignore_regions(root, tmp_path, x, y, expected, flip):
    write(tmp_path, x, y)
    init_default_scope('mmpose')
    cfg = Config.fromfile(root / 'configs' / 'cluster_hourglass4_posetrack18_512x512.py')
    load, _, affine, mirror, *_ = cfg.train_dataloader.dataset.pipeline
    affine.update(shift_prob=0.0, rotate_prob=0.0, scale_prob=0.0, scale_type='long')
    affine.update(input_size=(W, W))
    mirror.update(prob=flip)
    cfg.train_dataloader.dataset.update(
        data_root=str(tmp_path), ann_file='people.json', pipeline=[load, affine, mirror]
    )
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]
    mask = PersonMasks(map_size=(W, W))(sample)['loss_mask']
    assert (mask == 0).any() == bool(expected)
    if flip:
        mask = mask[:, ::-1]
    top = (W - H) // 2  # the frame lies in the input's middle
    for column, row in [(25, 50), (120, 50)]:
        assert mask[row + top, column] == ((column, row) not in expected)
    assert mask[50 + top, 70] == 1 and mask[5 + top, 5] == 1


def test_mmposes_own_data_set_has_none(root, tmp_path):
    """mmpose's own data set ignores no region, which is why ours exists."""
    write(tmp_path, [LEFT], [TOP])
    init_default_scope('mmpose')
    settings = dict(data_mode='bottomup', data_root=str(tmp_path), ann_file='people.json')
    plain = DATASETS.build(dict(type='PoseTrack18Dataset', **settings))
    ours = DATASETS.build(dict(type='IgnoreRegionPoseTrack18Dataset', **settings))
    assert 'ignore_regions' not in plain[0] and len(ours[0]['ignore_regions']) == 1


def test_frames_without_people_are_tested(tmp_path):
    write(tmp_path, [LEFT], [TOP])
    content = json.loads((tmp_path / 'people.json').read_text())
    content['annotations'] = []
    (tmp_path / 'people.json').write_text(json.dumps(content))
    init_default_scope('mmpose')
    data = DATASETS.build(
        dict(
            type='IgnoreRegionPoseTrack18Dataset',
            data_mode='bottomup',
            data_root=str(tmp_path),
            ann_file='people.json',
            test_mode=True,
        )
    )
    assert len(data) == 1


def test_broken_regions_name_the_frame():
    frame = dict(file_name='a/7.jpg', ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]])
    with pytest.raises(ValueError, match='frame a/7.jpg.*as many x as y'):
        ignore_regions(frame)
    assert ignore_regions(dict(ignore_regions_x=None)) == []
