# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The benchmark's part 'loading' times the steps of a sample: plain, read faster, from crops."""

from pathlib import Path

import cv2
import mmpose
import pytest
from mmpose.datasets import CocoDataset

from mmpose_ext.apps.benchmark import Settings, run_benchmark

SETTINGS = Settings(runs=1, batch=2, batches=2, images=4, workers=(0,), rates=(500,))


def figures(rows, name):
    return {(row.measure, row.case): row.median for row in rows if row.contestant == name}


def test_topdown(root):
    pytest.importorskip('lmdb')
    config = root / 'configs' / 'demo' / 'attention_resnet18_128x96.py'
    rows, notes = run_benchmark(str(config), SETTINGS, 'loading')
    for name, own in (
        ('attention_resnet18_128x96', {'RandomFlip', 'collating'}),
        ('reading faster', {'augmentation', 'unpacking'}),
        ('from crops', {'augmentation', 'unpacking'}),
    ):
        of = figures(rows, name)
        steps = [value for (measure, _), value in of.items() if measure == 'step']
        assert {'annotation', 'LoadImage', 'TopdownAffine', 'PackPoseInputs'} | own <= {
            case for measure, case in of if measure == 'step'
        }
        assert 0 < sum(steps) <= of['sample', '']
        shares = {case: value for (measure, case), value in of.items() if measure == 'share'}
        assert 0 < sum(shares.values()) <= 100
        assert shares['LoadImage'] == pytest.approx(
            100 * of['step', 'LoadImage'] / of['sample', '']
        )
        assert of['one core', ''] == pytest.approx(1000 / of['sample', ''])
        assert of['for 500 images a second', ''] == pytest.approx(0.5 * of['sample', ''])
        assert of['loader', '0 workers'] > 0


def test_bottomup_has_no_crops(root):
    config = root / 'configs' / 'demo' / 'cluster_hourglass2_160x160.py'
    rows, notes = run_benchmark(str(config), SETTINGS, 'loading')
    names = list(dict.fromkeys(row.contestant for row in rows))
    assert names == [
        'AE config (HRNet-W32)', 'cluster_hourglass2_160x160', 'reading faster',
        'warped on the device',
    ]  # fmt: skip
    faster, device = (figures(rows, name) for name in names[2:])
    moved = ('step', 'warping in the training process, by OpenCV')
    assert device[moved] > 0 and moved not in faster
    steps = [v for (measure, _), v in device.items() if measure == 'step']
    assert sum(steps) - device[moved] <= device['sample', '']
    assert any('from crops: not measured: ' in note and 'only top-down' in note for note in notes)


def test_bottomup_data_set_with_images_of_its_own(root, monkeypatch):
    look_up = CocoDataset.get_data_info

    def with_image(self, index):
        info = look_up(self, index)
        return dict(info, img=cv2.imread(info['img_path']))

    monkeypatch.setattr(CocoDataset, 'get_data_info', with_image)
    config = root / 'configs' / 'demo' / 'cluster_hourglass2_160x160.py'
    rows, _ = run_benchmark(str(config), SETTINGS, 'loading')
    faster = figures(rows, 'reading faster')
    assert faster['step', 'collating'] > 0 and faster['loader', '0 workers'] > 0


def test_peer_reads_the_same_people(root):
    """The peer is mmpose's own config, whose data set does not exist."""
    peer = mmposes_config()
    config = root / 'configs' / 'demo' / 'attention_resnet18_128x96.py'
    rows, _ = run_benchmark(str(config), SETTINGS, 'loading', peers=[str(peer)])
    steps = {case for measure, case in figures(rows, peer.stem) if measure == 'step'}
    assert {'LoadImage', 'RandomHalfBody', 'RandomBBoxTransform', 'GenerateTarget'} <= steps


def mmposes_config():
    folder = Path(mmpose.__file__).parent / '.mim' / 'configs' / 'body_2d_keypoint'
    return folder / 'topdown_heatmap' / 'coco' / 'td-hm_res50_8xb64-210e_coco-256x192.py'
