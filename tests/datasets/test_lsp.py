# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json
import subprocess
import sys

import numpy as np
import pytest
from mmpose.registry import DATASETS
from PIL import Image
from scipy.io import savemat

from mmpose_ext.apps.convert_lsp import convert_lsp
from mmpose_ext.datasets import DataError, LspDataset

WIDTH, HEIGHT = 120, 160


@pytest.fixture
def raw(tmp_path):
    """Write both sets as distributed, with 3 images each: joints and folders with images."""
    rng = np.random.default_rng(0)
    joints = np.empty((3, 14, 3))
    joints[..., 0] = rng.uniform(20, 100, (3, 14))
    joints[..., 1] = rng.uniform(20, 140, (3, 14))
    joints[..., 2] = rng.integers(0, 2, (3, 14))
    joints[1, :, 2] = 0
    savemat(tmp_path / 'lsp.mat', dict(joints=joints.transpose(2, 1, 0)))
    savemat(tmp_path / 'lspet.mat', dict(joints=joints.transpose(1, 2, 0)))
    for i in range(1, 4):
        for name in (f'im{i:04}.jpg', f'im{i:05}.jpg'):
            Image.new('RGB', (WIDTH, HEIGHT)).save(tmp_path / name)
    return tmp_path, joints


def test_lspet(raw):
    folder, joints = raw
    assert convert_lsp(folder / 'lspet.mat', folder, folder / 'a/out.json') == 2
    content = json.loads((folder / 'a/out.json').read_text())
    assert [image['file_name'] for image in content['images']] == [
        f'im0000{i}.jpg' for i in (1, 2, 3)
    ]
    assert content['images'][0]['width'] == WIDTH and content['images'][0]['height'] == HEIGHT
    # the second person has no labeled joint
    assert [ann['image_id'] for ann in content['annotations']] == [1, 3]
    keypoints = np.array(content['annotations'][1]['keypoints']).reshape(14, 3)
    labeled = joints[2, :, 2] == 1
    np.testing.assert_allclose(keypoints[labeled, :2], joints[2, labeled, :2] - 1)
    assert (keypoints[labeled, 2] == 2).all() and (keypoints[~labeled] == 0).all()
    assert content['annotations'][1]['num_keypoints'] == labeled.sum()
    x, y, w, h = content['annotations'][1]['bbox']
    low, high = keypoints[labeled, :2].min(0), keypoints[labeled, :2].max(0)
    margin = 0.15 * (high - low) + 5
    np.testing.assert_allclose([x, y], np.maximum(low - margin, 0))
    np.testing.assert_allclose([x + w, y + h], np.minimum(high + margin, [WIDTH - 1, HEIGHT - 1]))


def test_lsp_has_a_position_for_occluded_joints(raw):
    folder, joints = raw
    assert convert_lsp(folder / 'lsp.mat', folder, folder / 'out.json', first=2, last=3) == 2
    content = json.loads((folder / 'out.json').read_text())
    assert [image['file_name'] for image in content['images']] == ['im0002.jpg', 'im0003.jpg']
    keypoints = np.array(content['annotations'][1]['keypoints']).reshape(14, 3)
    np.testing.assert_allclose(keypoints[:, :2], joints[2, :, :2] - 1)
    np.testing.assert_array_equal(keypoints[:, 2], np.where(joints[2, :, 2] == 1, 1, 2))


def test_bad_raw_data_is_refused(raw):
    folder, joints = raw
    out = folder / 'out.json'
    savemat(folder / 'odd.mat', dict(joints=np.zeros((5, 3, 4))))
    (folder / 'text.mat').write_text('no MATLAB file')
    cases = [
        ('nowhere.mat', {}, 'does not exist'),
        ('text.mat', {}, "not a MATLAB file with an array 'joints'"),
        ('odd.mat', {}, r'is \(5, 3, 4\)'),
        ('lsp.mat', dict(last=4), 'no images 1 to 4: .* holds 1 to 3'),
        ('lsp.mat', dict(first=0), 'no images 0 to 3: .* holds 1 to 3'),
    ]
    for name, limits, message in cases:
        with pytest.raises(DataError, match=message):
            convert_lsp(folder / name, folder, out, **limits)
    (folder / 'im0002.jpg').unlink()
    with pytest.raises(DataError, match='im0002.jpg is missing'):
        convert_lsp(folder / 'lsp.mat', folder, out)
    assert not out.exists()


def test_converted_data_loads(raw):
    folder, _ = raw
    convert_lsp(folder / 'lspet.mat', folder, folder / 'out.json')
    cfg = dict(
        type='LspDataset', data_root=str(folder), ann_file='out.json', data_prefix=dict(img='')
    )
    data = DATASETS.build(cfg)
    assert len(data) == 2
    assert data[0]['keypoints'].shape == (1, 14, 2)


def test_metainfo():
    meta = LspDataset(lazy_init=True).metainfo
    names = meta['keypoint_id2name']
    assert meta['num_keypoints'] == 14 and len(meta['sigmas']) == 14
    for i, j in enumerate(meta['flip_indices']):
        swapped = names[i].replace('left', '*').replace('right', 'left').replace('*', 'right')
        assert names[j] == swapped
    pairs = {frozenset(pair) for pair in meta['flip_pairs']}
    assert pairs == {frozenset((i, meta['flip_indices'][i])) for i in (0, 1, 2, 6, 7, 8)}
    assert sorted(names[i] for i in meta['lower_body_ids']) == sorted(
        f'{side}_{joint}' for side in ('left', 'right') for joint in ('ankle', 'knee', 'hip')
    )


def test_shared_lspet_loads(shared_data):
    cfg = dict(
        type='LspDataset',
        data_root=str(shared_data / 'lspet'),
        ann_file='val.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
    )
    data = DATASETS.build(cfg)
    assert len(data) == 498
    assert data[0]['keypoints'].shape == (1, 14, 2)


@pytest.mark.long
def test_tool(raw, root):
    folder, _ = raw
    command = [sys.executable, root / 'tools/lsp2coco.py']
    done = subprocess.run(
        [*command, folder / 'lspet.mat', folder, folder / 'out.json'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and '2 people' in done.stdout
    done = subprocess.run(
        [*command, folder / 'x.mat', folder, folder / 'out.json'], capture_output=True, text=True
    )
    assert done.returncode == 1 and 'error:' in done.stderr and 'Traceback' not in done.stderr
