# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import json

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpose.datasets import MpiiDataset
from scipy.io import savemat

from mmpose_ext.datasets.validation import validate
from mmpose_ext.datasets.validation.formats import mpii_to_coco

NAN = float('nan')


def mpii_person(image: int, **changes) -> dict:
    joints = [[30.0 + i, 40.0] for i in range(16)]
    person = dict(image=f'{image}.png', center=[50.0, 45.0], scale=0.3, joints=joints)
    person.update(joints_vis=[1] * 15 + [0], **changes)
    return person


@pytest.fixture
def mpii() -> list:
    return [mpii_person(1), mpii_person(1), mpii_person(2)]


def test_valid_mpii(look, mpii, images):
    report = look(mpii, images, 'images')
    assert report.findings == [] and report.format == 'mpii'
    assert (report.images, report.annotations, report.people) == (2, 3, 3)


def test_mpii_is_read_as_mmpose_does(mpii, tmp_path):
    mpii[1].update(center=[-1, -1])
    path = tmp_path / 'mpii.json'
    path.write_text(json.dumps(mpii))
    init_default_scope('mmpose')
    dataset = MpiiDataset(ann_file=str(path), data_prefix=dict(img='images'))
    content, findings = mpii_to_coco(mpii)
    assert findings == [] and len(dataset) == len(content['annotations'])
    for index, ours in enumerate(content['annotations']):
        theirs = dataset.get_data_info(index)
        x, y, w, h = ours['bbox']
        np.testing.assert_allclose(theirs['bbox'][0], [x, y, x + w, y + h], rtol=1e-5)
        keypoints = np.array(ours['keypoints']).reshape(-1, 3)
        np.testing.assert_allclose(theirs['keypoints'][0], keypoints[:, :2])
        np.testing.assert_array_equal(theirs['keypoints_visible'][0], keypoints[:, 2] / 2)
        assert (theirs['img_id'], theirs['id']) == (ours['image_id'], ours['id'])


@pytest.mark.parametrize(
    'key, value, kind',
    [
        ('image', 'person.png', 'file-name'),  # mmpose makes the image id of it
        ('image', None, 'file-name'),
        ('center', [1], 'bbox-malformed'),
        ('center', [NAN, 1], 'bbox-malformed'),
        ('scale', None, 'bbox-malformed'),
        ('scale', 0, 'bbox-empty'),
        ('scale', -1, 'bbox-empty'),
        ('joints', [[1.0, 2.0]] * 15, 'keypoint-count'),
        ('joints', [[1.0]] * 16, 'keypoint-count'),
        ('joints', None, 'keypoint-count'),
        ('joints', [[NAN, 2.0]] * 16, 'keypoints-not-finite'),
        ('joints', [['a', 2.0]] * 16, 'keypoints-not-numbers'),
        ('joints', [[-5.0, 2.0]] * 16, 'keypoints-outside'),
        ('joints_vis', [1] * 15, 'keypoint-count'),
        ('joints_vis', [1] * 15 + [2], 'visibility'),
        ('joints_vis', [1] * 15 + [-1], 'visibility-negative'),
    ],
)
def test_mpii_faults(look, mpii, images, key, value, kind):
    mpii[1][key] = value
    report = look(mpii, images, 'headers')
    assert (kind, 1) in {(f.kind, f.id) for f in report.findings}


def test_mpii_structure(look, mpii):
    del mpii[0]['joints']
    mpii[1] = None
    assert {(f.kind, f.id) for f in look(mpii).findings} == {('key-missing', 0), ('not-a-dict', 1)}
    assert not look({}, format='mpii').is_ok()
    assert not look([], format='mpii').is_ok()


def test_mpii_images(look, mpii, images):
    (images / '2.png').unlink()
    assert [(f.kind, f.annotation_ids) for f in look(mpii, images).findings] == [
        ('image-missing', (2,))
    ]


@pytest.mark.parametrize('extended', [False, True])
def test_lsp(tmp_path, images, extended):
    joints = np.full((3, 14, 3), 30.0)  # N, joints, x y mark
    joints[..., 2] = extended  # LSP marks occluded joints, LSPET labeled ones
    joints[1, 4, 0] = 500
    joints[2, 5, 1] = np.nan
    for number in (1, 2, 3):
        name = f'im{number:0{5 if extended else 4}}.jpg'
        (images / f'{number}.png').rename(images / name)
    axes = (1, 2, 0) if extended else (2, 1, 0)
    savemat(tmp_path / 'joints.mat', dict(joints=joints.transpose(axes)))
    report = validate(tmp_path / 'joints.mat', images, 'headers')
    assert report.format == 'lsp' and report.annotations == 3
    assert {(f.kind, f.id) for f in report.findings if 'bbox' not in f.kind} == {
        ('keypoints-outside', 2),
        ('keypoints-not-finite', 3),
    }


def test_lsp_unreadable(tmp_path):
    (tmp_path / 'joints.mat').write_bytes(b'nothing')
    savemat(tmp_path / 'other.mat', dict(joints=np.zeros((2, 3))))
    for name in ('joints.mat', 'other.mat', 'none.mat'):
        report = validate(tmp_path / name)
        assert [f.kind for f in report.findings] == ['file-unreadable']
        assert name in report.findings[0].detail


REAL = {
    'coco-real/train.json': ('coco-real/images', 'coco', {}),
    'coco-real/val.json': ('coco-real/images', 'coco', {}),
    'lspet/train.json': ('lspet/images', 'coco', {'keypoints-outside': {24, 712}}),
    'lspet/val.json': ('lspet/images', 'coco', {}),
    'mmpose-samples/coco/test_coco.json': ('mmpose-samples/coco', 'coco', {}),
    'mmpose-samples/mpii/test_mpii.json': ('mmpose-samples/mpii', 'mpii', {}),
    'mmpose-samples/crowdpose/test_crowdpose.json': (
        'mmpose-samples/crowdpose',
        'coco',  # its num_keypoints does not count head and neck
        {'num-keypoints-differs': {123803, 127068, 129014, 147481}},
    ),
}


@pytest.mark.parametrize('name', REAL)
def test_real_files(shared_data, name):
    folder, form, expected = REAL[name]
    report = validate(shared_data / name, shared_data / folder, 'headers')
    assert report.format == form and report.files_checked > 0
    found: dict = {}
    for finding in report.findings:
        found.setdefault(finding.kind, set()).add(finding.id)
    assert found == expected
