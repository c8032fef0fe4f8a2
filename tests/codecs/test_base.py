# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""BaseTorchCodec keeps its contract, tested with small codecs."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs
from mmpose.registry import KEYPOINT_CODECS

from mmpose_ext.codecs.base import BaseTorchCodec, flip_channels


@KEYPOINT_CODECS.register_module(force=True)
class ToyCodec(BaseTorchCodec):
    """One wide bump per keypoint (the highest over the people), and a label per person."""

    map_names = ('toy_maps',)
    label_names = ('toy_labels',)
    auxiliary_encode_keys = {'area'}

    def make_constants(self):
        w, h = self.input_size
        return dict(x=torch.arange(w).float(), y=torch.arange(h).float())

    def draw(self, keypoints, weights, area):
        grid = self.constants(keypoints.device)
        d2 = (keypoints[..., None, :1] - grid['x']) ** 2 + (
            keypoints[..., None, 1:] - grid['y'][:, None]
        ) ** 2
        maps = torch.exp(-d2 / 8) * (weights > 0)[..., None, None]
        if maps.shape[1]:
            maps = maps.amax(1)
        else:
            maps = maps.sum(1)
        return dict(toy_maps=maps, toy_labels=keypoints.sum((-1, -2)) * area)

    def locate(self, maps):
        flat = maps['toy_maps'].flatten(2)
        scores, index = flat.max(-1)
        w = self.input_size[0]
        keypoints = torch.stack([index % w, index.div(w, rounding_mode='floor')], -1).float()
        return keypoints[:, None], scores[:, None]


@KEYPOINT_CODECS.register_module(force=True)
class ToyPixelCodec(ToyCodec):
    """A codec for several people that also draws from an image, and that scores people."""

    pixel_names = ('toy_mask', 'toy_layers')
    auxiliary_encode_keys = {'area', 'toy_mask', 'toy_layers'}

    def draw(self, keypoints, weights, area, toy_mask=None, toy_layers=None):
        drawn = super().draw(keypoints, weights, area)
        for image in (toy_mask, toy_layers):
            if image is not None:
                drawn['toy_maps'] = drawn['toy_maps'] * image.sum(1, keepdim=True)
        return drawn

    def locate(self, maps):
        keypoints, scores = super().locate(maps)
        if self.draw_on_device:  # different numbers of people: lists, some already on the CPU
            empty = scores[0, :0].mean(-1).numpy()
            return list(keypoints), list(scores), [scores[0].mean(-1), *[empty] * (len(scores) - 1)]
        return keypoints, scores, scores.mean(-1)


def toy(**kwargs):
    return ToyCodec(input_size=(16, 12), **kwargs)


def sample(codec, seed, people=1, num_keypoints=5, **images):
    """Make a data sample like the training pipeline's, and return its numbers too."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 11, (people, num_keypoints, 2)).astype(np.float32)
    visible = (rng.uniform(size=(people, num_keypoints)) > 0.3).astype(np.float32)
    results = dict(
        img=np.zeros((12, 16, 3), np.uint8),
        transformed_keypoints=keypoints,
        keypoints_visible=visible,
        dataset_keypoint_weights=np.ones((people, num_keypoints), np.float32),
        area=rng.uniform(1, 2, people).astype(np.float32),
        **images,
    )
    transform = GenerateTarget(encoder=copy.deepcopy(codec))
    packed = PackPoseInputs()(transform(results))
    return packed['data_samples']


def config(draw_on_device):
    return dict(type='ToyCodec', input_size=(16, 12), draw_on_device=draw_on_device)


# one person each (top-down); several; different numbers; an image without people
@pytest.mark.parametrize('people', [(1, 1, 1), (3, 3), (2, 5, 1), (2, 0)])
def test_worker_and_device_draw_the_same(people):
    batches = {
        on_device: [sample(config(on_device), i, n) for i, n in enumerate(people)]
        for on_device in (False, True)
    }
    codec = toy()
    drawn_by_worker = codec.targets(batches[False], 'cpu')
    drawn_on_device = codec.targets(batches[True], 'cpu')
    assert drawn_by_worker.keys() == drawn_on_device.keys()
    assert drawn_by_worker.keys() == {'toy_maps', 'toy_labels', 'keypoint_weights'}
    assert drawn_by_worker['toy_maps'].shape == (len(people), 5, 12, 16)
    assert drawn_by_worker['toy_labels'].shape == (len(people), max(people))
    assert drawn_by_worker['toy_maps'].max() > 0.9
    for name, value in drawn_by_worker.items():
        torch.testing.assert_close(value, drawn_on_device[name], rtol=0, atol=1e-6)


def test_people_that_pad_an_image_have_no_weight():
    targets = toy().targets([sample(config(True), i, n) for i, n in enumerate((1, 4))])
    assert targets['keypoint_weights'].shape == (2, 4, 5)
    assert targets['keypoint_weights'][0, 1:].eq(0).all()


def test_only_a_few_hundred_bytes_leave_the_worker():
    keypoints, visible = np.full((1, 17, 2), 5.0), np.ones((1, 17))
    area = np.ones(1, np.float32)
    encoded = toy(draw_on_device=True).encode(keypoints, visible, area=area)
    assert sum(value.nbytes for value in encoded.values()) == 17 * 12 + 4
    drawn = toy().encode(keypoints, visible, area=area)
    assert sum(value.nbytes for value in drawn.values()) > 17 * 12 * 16 * 4


def pixel_config(draw_on_device):
    return dict(type='ToyPixelCodec', input_size=(16, 12), draw_on_device=draw_on_device)


MASKS = np.random.default_rng(1).integers(0, 3, (3, 12, 16)).astype(np.uint8)


# no images at all; one of (h, w); one of (C, h, w); both
@pytest.mark.parametrize('names', [(), ('toy_mask',), ('toy_layers',), ('toy_mask', 'toy_layers')])
def test_images_to_draw_from_reach_the_worker_and_the_device(names):
    batches = {False: [], True: []}
    for on_device, batch in batches.items():
        for i, people in enumerate((2, 0, 3)):
            images = dict(toy_mask=MASKS[i], toy_layers=MASKS[:2])
            images = {name: images[name] for name in names}
            batch.append(sample(pixel_config(on_device), i, people, **images))
    labels = batches[True][0].gt_instance_labels
    assert set(labels.keys()) == {'target_keypoints', 'keypoint_weights', 'area'}
    if names:
        assert set(batches[True][0].gt_fields.keys()) == set(names)
    if 'toy_mask' in names:
        mask = batches[True][0].gt_fields.toy_mask
        assert mask.dtype == torch.uint8 and mask.shape == (1, 12, 16)
    assert set(batches[False][0].gt_fields.keys()) == {'toy_maps'}
    codec = KEYPOINT_CODECS.build(pixel_config(False))
    by_worker, on_device = codec.targets(batches[False]), codec.targets(batches[True])
    plain = toy().targets([sample(config(False), i, n) for i, n in enumerate((2, 0, 3))])
    for name, value in by_worker.items():
        torch.testing.assert_close(value, on_device[name], rtol=0, atol=1e-6)
    factor = np.ones((3, 1, 12, 16), np.float32)
    if 'toy_mask' in names:
        factor *= MASKS[:, None]
    if 'toy_layers' in names:
        factor *= MASKS[:2].sum(0)
    torch.testing.assert_close(by_worker['toy_maps'], plain['toy_maps'] * torch.from_numpy(factor))


def test_images_that_only_some_samples_carry_are_refused():
    batch = [sample(pixel_config(True), 0, toy_mask=MASKS[0]), sample(pixel_config(True), 1)]
    with pytest.raises(KeyError, match='only 1 of 2 samples of the batch carry toy_mask'):
        KEYPOINT_CODECS.build(pixel_config(True)).targets(batch)


def test_images_of_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r'toy_mask must be an image \(h, w\) or \(C, h, w\)'):
        sample(pixel_config(False), 0, toy_mask=np.zeros(12))


def test_images_of_several_encoders():
    results = dict(
        img=np.zeros((12, 16, 3), np.uint8),
        transformed_keypoints=np.full((1, 5, 2), 5.0),
        keypoints_visible=np.ones((1, 5)),
        dataset_keypoint_weights=np.ones((1, 5), np.float32),
        area=np.ones(1, np.float32),
        toy_mask=MASKS[0],
        toy_layers=MASKS[:2],
    )
    transform = GenerateTarget(encoder=[pixel_config(True)] * 2, multilevel=True)
    packed = PackPoseInputs()(transform(results))['data_samples']
    codec = KEYPOINT_CODECS.build(pixel_config(False))
    drawn = codec.targets([packed], level=1)['toy_maps'][0]
    images = dict(toy_mask=MASKS[0], toy_layers=MASKS[:2])
    direct = codec.encode(np.full((1, 5, 2), 5.0), area=np.ones(1, np.float32), **images)
    np.testing.assert_allclose(drawn, direct['toy_maps'], atol=1e-6)


# tensors of the batch; lists of tensors and arrays, with different numbers of people
@pytest.mark.parametrize('lists', [False, True])
def test_scores_of_people_are_decoded(lists):
    codec = KEYPOINT_CODECS.build(pixel_config(lists))
    maps = torch.rand(2, 5, 12, 16)
    keypoints, scores, people = codec.batch_decode(maps)
    assert [len(values) for values in (keypoints, scores, people)] == [2, 2, 2]
    assert isinstance(people[0], np.ndarray) and people[0].shape == (1,)
    np.testing.assert_allclose(people[0], scores[0].mean(-1), rtol=1e-6)
    assert people[1].shape == ((0,) if lists else (1,))
    one = codec.decode(maps[0].numpy())
    np.testing.assert_array_equal(one[2], people[0])
    assert len(toy().batch_decode(maps)) == len(toy().decode(maps[0].numpy())) == 2


def test_packed_keys():
    labels = sample(config(True), 0).gt_instance_labels
    assert set(labels.keys()) == {'target_keypoints', 'keypoint_weights', 'area'}
    assert 'gt_fields' not in sample(config(True), 0)
    worker = sample(config(False), 0)
    assert set(worker.gt_instance_labels.keys()) == {'toy_labels', 'keypoint_weights'}
    assert set(worker.gt_fields.keys()) == {'toy_maps'}
    assert worker.gt_fields.toy_maps.dtype == torch.float32


def test_multilevel_encoders():
    """Several encoders of one kind in the worker serve supervision at several stages."""
    for on_device in (False, True):
        rng = np.random.default_rng(0)
        results = dict(
            img=np.zeros((12, 16, 3), np.uint8),
            transformed_keypoints=rng.uniform(0, 11, (1, 5, 2)),
            keypoints_visible=np.ones((1, 5)),
            dataset_keypoint_weights=np.ones((1, 5), np.float32),
            area=np.ones(1, np.float32),
        )
        transform = GenerateTarget(encoder=[config(on_device)] * 2, multilevel=True)
        packed = PackPoseInputs()(transform(results))['data_samples']
        targets = toy().targets([packed, packed], level=1)
        assert targets['toy_maps'].shape == (2, 5, 12, 16)
        assert targets['keypoint_weights'].shape == (2, 1, 5)


def test_encode_cleans_unlabeled_keypoints():
    keypoints = np.full((1, 3, 2), 5.0)
    keypoints[0, 1] = np.nan
    visible = np.array([[1.0, 0.0, 1.0]])
    encoded = toy().encode(keypoints, visible, area=np.ones(1, np.float32))
    assert np.isfinite(encoded['toy_maps']).all()
    assert encoded['toy_maps'][1].max() == 0
    assert encoded['keypoint_weights'].tolist() == [[1, 0, 1]]
    encoded['keypoint_weights'] *= 0.5  # as GenerateTarget does; it must not change the annotation
    assert visible.tolist() == [[1, 0, 1]]


def test_encode_refuses_bad_input():
    area = np.ones(1, np.float32)
    with pytest.raises(ValueError, match='labeled keypoint is NaN or infinite'):
        toy().encode(np.full((1, 3, 2), np.nan), np.ones((1, 3)), area=area)
    with pytest.raises(ValueError, match=r'must be \(N, K, 2\)'):
        toy().encode(np.zeros((3, 2)), None, area=area)
    with pytest.raises(ValueError, match='keypoints_visible must be'):
        toy().encode(np.zeros((1, 3, 2)), np.ones((1, 4)), area=area)
    with pytest.raises(ValueError, match='input_size'):
        ToyCodec(input_size=(0, 12))


def test_samples_without_targets_are_refused():
    encoder = dict(type='MSRAHeatmap', input_size=(16, 12), heatmap_size=(4, 3), sigma=2)
    with pytest.raises(KeyError, match='GenerateTarget'):
        toy().targets([sample(encoder, 0)])


def test_decode_is_batch_decode_of_one():
    codec = toy()
    maps = torch.rand(3, 5, 12, 16)
    batch_keypoints, batch_scores = codec.batch_decode(maps)
    for i in range(3):
        keypoints, scores = codec.decode(maps[i].numpy())
        assert keypoints.shape == (1, 5, 2) and scores.shape == (1, 5)
        np.testing.assert_array_equal(keypoints, batch_keypoints[i])
        np.testing.assert_array_equal(scores, batch_scores[i])
    by_name, _ = codec.batch_decode(dict(toy_maps=maps, other=maps))
    np.testing.assert_array_equal(by_name, batch_keypoints)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_non_finite_maps_are_refused(bad):
    maps = torch.rand(3, 5, 12, 16)
    maps[1, 2, 3, 4] = bad
    with pytest.raises(ValueError, match='toy_maps holds 1 NaN or infinite values'):
        toy().batch_decode(maps)


def test_missing_maps_are_refused():
    with pytest.raises(ValueError, match="missing: \\['toy_maps'\\]"):
        toy().batch_decode({})


def test_half_precision_maps_are_decoded():
    maps = torch.rand(2, 5, 12, 16).half()
    keypoints, scores = toy().batch_decode(maps)
    expected, _ = toy().batch_decode(maps.float())
    assert scores[0].dtype == np.float32
    np.testing.assert_array_equal(keypoints, expected)


def test_flip_twice_is_the_identity():
    maps = torch.rand(2, 10, 4, 3)
    indices = [0, 2, 1, 4, 3]
    once = flip_channels(maps, indices)
    torch.testing.assert_close(once[:, 6], maps[:, 7].flip(-1))
    torch.testing.assert_close(flip_channels(once, indices), maps)
    with pytest.raises(ValueError, match='10 channels cannot be flipped'):
        flip_channels(maps, [0, 1, 2])


def test_codec_travels_to_workers():
    codec = toy()
    codec.encode(np.zeros((1, 5, 2)), area=np.ones(1, np.float32))
    assert not any(value.is_inference() for value in codec.constants(torch.device('cpu')).values())
    copied = pickle.loads(pickle.dumps(codec))
    assert copied.input_size == (16, 12)
    assert codec.support_batch_decoding
