# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The faster pipeline's samples compared with mmpose's, for one state of the generators."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpose.datasets.transforms import LoadImage

from mmpose_ext.datasets import FastLoadImage, speed_up_dataset
from mmpose_ext.datasets.fast import datasets_in
from mmpose_ext.datasets.fast.pipeline import SharedList
from mmpose_ext.datasets.transforms import turbojpeg_image

from .conftest import build, topdown_pipeline

BOTTOMUP = [
    dict(type='LoadImage'),
    dict(type='ColorJitter'),
    dict(type='BottomupRandomAffine', input_size=(128, 128)),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='PersonMasks', map_size=(32, 32)),
    dict(
        type='GenerateTarget',
        encoder=dict(
            type='ClusterTag', input_size=(128, 128), heatmap_size=(32, 32), clusters=17, sigma=2
        ),
    ),
    dict(type='PackPoseInputs'),
]


def sample(dataset, index, seed):
    np.random.seed(seed)
    item = dataset[index]
    return item, np.random.rand()  # the state of the generators after the sample


def assert_same(one, other):
    """Check that everything in the packed samples agrees, except the image."""
    one, other = one['data_samples'], other['data_samples']
    assert set(one.all_keys()) == set(other.all_keys())
    assert set(one.metainfo_keys()) == set(other.metainfo_keys())
    for key in one.metainfo_keys():
        compare = one.get(key), other.get(key)
        if isinstance(compare[0], np.ndarray) and compare[0].dtype.kind == 'f':
            np.testing.assert_allclose(*compare, rtol=1e-5)
        else:
            np.testing.assert_equal(*compare)
    for key in one.keys():
        held, others = one.get(key), other.get(key)
        assert type(held) is type(others) and set(held.keys()) == set(others.keys())
        for name in held.keys():
            assert type(held.get(name)) is type(others.get(name)), name
            np.testing.assert_allclose(
                held.get(name), others.get(name), rtol=1e-5, atol=2e-3, err_msg=name
            )


@pytest.mark.parametrize('affine', [dict(), dict(use_udp=True)])
def test_topdown_samples_are_mmposes(people, affine):
    plain = build(people, topdown_pipeline(**affine))
    fast = build(people, topdown_pipeline(**affine))
    assert set(speed_up_dataset(fast)) == {
        'LoadImage', 'RandomFlip', 'RandomBBoxTransform', 'TopdownAffine', 'PackPoseInputs',
        'RandomHalfBody', 'MSRAHeatmap',
    }  # fmt: skip
    flips, errors = set(), []
    for seed in range(3):
        for index in range(len(plain)):
            (expected, state), (item, fast_state) = (
                sample(dataset, index, 100 * seed + index) for dataset in (plain, fast)
            )
            assert state == fast_state
            assert_same(expected, item)
            assert item['inputs'].shape == (3, 128, 96) and item['inputs'].dtype == torch.uint8
            errors.append((item['inputs'].float() - expected['inputs'].float()).abs().mean())
            flips.add(item['data_samples'].flip_direction)
    assert flips == {None, 'horizontal', 'vertical'}
    assert np.median(errors) < 0.5 and max(errors) < 12  # large people are averaged, not skipped


def test_repeated_transforms_are_mmposes(people):
    """A pipeline may flip, halve and move a person several times."""
    pipeline = topdown_pipeline()
    flips = [dict(type='RandomFlip', direction=d) for d in ('horizontal', 'vertical', 'diagonal')]
    pipeline[2:5] = [*flips, *pipeline[3:5], *pipeline[3:5]]
    plain, fast = (build(people, copy.deepcopy(pipeline)) for _ in range(2))
    assert 'LoadImage' in speed_up_dataset(fast)
    errors = []
    for index in range(len(plain)):
        (expected, state), (item, fast_state) = (
            sample(dataset, index, index) for dataset in (plain, fast)
        )
        assert state == fast_state
        assert_same(expected, item)
        errors.append((item['inputs'].float() - expected['inputs'].float()).abs().mean())
    assert np.median(errors) < 0.5 and max(errors) < 12


@pytest.mark.parametrize(
    'affine, late',
    [
        (dict(), True),
        (dict(transform_mode='affine_udp', scale_type='long'), True),
        (dict(distribution='uniform', scale_factor=(0.2, 0.4)), True),
        (dict(transform_mode='perspective'), False),
        (dict(pad_val=9), False),
    ],
)
def test_bottomup_samples_are_mmposes(people, affine, late):
    pipeline = [dict(BOTTOMUP[2], **affine), *BOTTOMUP[3:]]
    if not late:  # its keypoints cannot be checked
        pipeline = [step for step in pipeline if step['type'] != 'PersonMasks']
    pipeline.insert(0, dict(type='LoadImage'))
    plain = build(people, copy.deepcopy(pipeline), 'bottomup')
    fast = build(people, pipeline, 'bottomup')
    expected_steps = {'BottomupRandomAffine', 'RandomFlip', 'PackPoseInputs'}
    assert set(speed_up_dataset(fast)) == expected_steps | ({'LoadImage'} if late else set())
    errors = []
    for seed in range(3):
        for index in range(len(plain)):
            (expected, state), (item, fast_state) = (
                sample(dataset, index, 100 * seed + index) for dataset in (plain, fast)
            )
            assert state == fast_state
            assert_same(expected, item)
            errors.append((item['inputs'].float() - expected['inputs'].float()).abs().mean())
    # images larger than the input are averaged, not skipped
    assert np.median(errors) < (1.5 if affine.get('scale_factor') is None else 8)
    assert late or not any(errors)


@pytest.mark.parametrize('jitters', [1, 2])
def test_jittered_samples_are_mmposes(people, jitters):
    """Each jitter changes the whole image when it is decoded."""
    pipeline = copy.deepcopy(BOTTOMUP)
    pipeline[2].update(scale_factor=(0.2, 0.4))  # enlarged, so that no image is reduced
    pipeline[1:2] *= jitters
    plain, fast = (build(people, copy.deepcopy(pipeline), 'bottomup') for _ in range(2))
    assert 'LoadImage' in speed_up_dataset(fast)
    for index in range(len(plain)):
        (expected, state), (item, fast_state) = (
            sample(dataset, index, index) for dataset in (plain, fast)
        )
        assert state == fast_state
        assert_same(expected, item)
        error = (item['inputs'].float() - expected['inputs'].float()).abs()
        assert error.mean() < 0.5 and error.max() <= 20  # 1/32 of a pixel, at edges


@pytest.mark.parametrize(
    'step, number, late',
    [
        (dict(type='PhotometricDistortion'), 2, False),  # reads the whole image
        (dict(type='PhotometricDistortion'), 6, True),  # reads only the input
        (dict(type='GetBBoxCenterScale', padding=1.0), 1, True),
    ],
)
def test_image_that_is_looked_at_is_decoded_first(people, step, number, late):
    pipeline = topdown_pipeline()
    pipeline.insert(number, step)
    dataset = build(people, pipeline)
    speed_up_dataset(dataset)
    assert type(dataset.pipeline.transforms[0]) is (FastLoadImage if late else LoadImage)
    assert dataset[0]['inputs'].shape == (3, 128, 96)


@pytest.mark.parametrize(
    'settings',
    [dict(to_float32=True), dict(color_type='grayscale'), dict(imdecode_backend='pillow')],
)
def test_other_loaders_stay(people, settings):
    pipeline = topdown_pipeline()
    pipeline[0].update(settings)
    dataset = build(people, pipeline)
    assert 'LoadImage' not in speed_up_dataset(dataset)
    assert type(dataset.pipeline.transforms[0]) is LoadImage


def test_loader_of_fast_training_is_replaced(people, monkeypatch):
    """``fast_training`` comes first and puts it in where PyTurboJPEG is installed."""
    monkeypatch.setattr(turbojpeg_image, '_decoder', object)
    pipeline = topdown_pipeline()
    pipeline[0]['type'] = 'LoadTurboJpegImage'
    dataset = build(people, pipeline)
    assert 'LoadImage' in speed_up_dataset(dataset)
    assert type(dataset.pipeline.transforms[0]) is FastLoadImage
    assert dataset[0]['inputs'].shape == (3, 128, 96)


def test_data_sets_in_data_sets(people):
    parts = [build(people, topdown_pipeline()) for _ in range(3)]
    arrays = list(parts[0].metainfo)  # among it, and mmengine 0.8 can't compare them
    for whole in (ConcatDataset(parts[:2], ignore_keys=arrays), RepeatDataset(parts[2], 2)):
        assert len(list(datasets_in(whole))) >= 2
        speed_up_dataset(whole)
    assert all(type(part.pipeline.transforms[0]) is FastLoadImage for part in parts)


def test_converted_keypoints_flip_each_time_alike(people):
    """mmpose's converter of averaged keypoints changes the flip indices of a sample in place."""
    pipeline = topdown_pipeline()
    mapping = [((5, 6), 0), (0, 1), *((number, number - 3) for number in range(5, 17))]
    pipeline[2:4] = [dict(type='RandomFlip', direction='horizontal', prob=1.0)]
    pipeline.insert(0, dict(type='KeypointConverter', num_keypoints=14, mapping=mapping))
    plain, fast = (build(people, copy.deepcopy(pipeline)) for _ in range(2))
    assert 'LoadImage' in speed_up_dataset(fast)
    for index in range(6):
        (expected, _), (item, _) = (sample(dataset, index, index) for dataset in (plain, fast))
        assert_same(expected, item)


def test_config_of_mmposes_own(people):
    from mmengine.hub import get_config

    cfg = get_config(
        'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py'
    )
    pipeline = Config(dict(p=cfg.train_dataloader.dataset.pipeline)).to_dict()['p']
    plain, fast = build(people, copy.deepcopy(pipeline)), build(people, pipeline)
    assert 'LoadImage' in speed_up_dataset(fast)
    for index in range(len(plain)):
        (expected, _), (item, _) = (sample(dataset, index, index) for dataset in (plain, fast))
        assert_same(expected, item)


def test_twice_changes_nothing_more(people):
    dataset = build(people, topdown_pipeline())
    speed_up_dataset(dataset)
    kinds = [type(step) for step in dataset.pipeline.transforms]
    assert speed_up_dataset(dataset) == []
    assert [type(step) for step in dataset.pipeline.transforms] == kinds


def test_shared_metainfo_is_a_list_elsewhere():
    shared = SharedList([1, 2])
    assert type(copy.deepcopy(shared)) is list and copy.deepcopy(shared) == shared
    assert type(pickle.loads(pickle.dumps(shared))) is list


def test_inputs_are_a_view_of_the_image(people):
    dataset = build(people, topdown_pipeline())
    speed_up_dataset(dataset)
    assert dataset[0]['inputs'].stride() == (1, 96 * 3, 3)


def test_draws_of_this_package_are_known(people):
    pipeline = topdown_pipeline()
    pipeline[4] = dict(type='ClippedNormalBBoxTransform')
    pipeline.insert(6, dict(type='RandomShear', prob=1.0))
    plain, fast = build(people, copy.deepcopy(pipeline)), build(people, pipeline)
    assert 'LoadImage' in speed_up_dataset(fast)
    for index in range(len(plain)):
        (expected, _), (item, _) = (sample(dataset, index, index) for dataset in (plain, fast))
        assert_same(expected, item)


@pytest.mark.parametrize('rotation', [0.0, 33.3, -170.0])
def test_matrix_is_mmposes(rotation):
    from mmpose.structures.bbox import get_warp_matrix

    from mmpose_ext.datasets.fast.affines import warp_matrix

    center, scale, size = np.array([301.5, 77.25]), np.array([150.0, 200.0]), (192, 256)
    expected = get_warp_matrix(center, scale, rotation, output_size=size)
    matrix = warp_matrix(center.tolist(), scale[0], rotation, size)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5, atol=1e-3)
