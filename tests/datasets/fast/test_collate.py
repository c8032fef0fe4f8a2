# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Batches in one piece equal those of mmengine's ``pseudo_collate``."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmpose_ext.datasets.fast import SampleBatch, collate_samples

from .conftest import build, topdown_pipeline
from .test_pipeline import assert_same


@pytest.fixture
def items(people):
    dataset = build(people, topdown_pipeline())
    np.random.seed(0)
    return [dataset[index] for index in range(6)]


def assert_batches_same(batch, expected):
    assert torch.equal(torch.as_tensor(batch['inputs']), torch.stack(expected['inputs']))
    samples = batch['data_samples'].samples()
    assert len(samples) == len(expected['data_samples'])
    for sample, other in zip(samples, expected['data_samples']):
        assert_same(dict(data_samples=sample), dict(data_samples=other))


@pytest.mark.parametrize('times', [0, 1, 2])
def test_is_the_same_batch(items, times):
    """The batch is the same in the worker, in the training process, and passed on from there."""
    expected, batch = pseudo_collate(items), collate_samples(items)
    for _ in range(times):
        batch = pickle.loads(pickle.dumps(batch, 5))
    assert_batches_same(batch, expected)


@pytest.mark.parametrize('workers', [0, 2])
def test_comes_out_of_workers(items, workers):
    loader = DataLoader(items, batch_size=3, num_workers=workers, collate_fn=collate_samples)
    for start, batch in zip((0, 3), loader):
        assert_batches_same(batch, pseudo_collate(items[start : start + 3]))
        assert len(batch['data_samples']) == 3


def test_images_of_several_sizes_stay_apart(items):
    items[2]['inputs'] = items[2]['inputs'][:, :-1]
    inputs = collate_samples(items)['inputs']
    assert [image.shape for image in inputs] == [item['inputs'].shape for item in items]


def test_arrays_lie_in_one_piece(items):
    batch = pickle.loads(pickle.dumps(collate_samples(items)['data_samples'], 5))
    memory = batch._memory
    start, end = memory.data_ptr(), memory.data_ptr() + len(memory)
    for sample in batch.samples():
        for tensor in (sample.gt_fields.heatmaps, sample.gt_instance_labels.keypoint_weights):
            assert start <= tensor.data_ptr() <= end - tensor.numel() * tensor.element_size()
            assert (tensor.data_ptr() - start) % 64 == 0


@pytest.mark.parametrize('moved', [False, True])
def test_tensors_move_to_the_device(items, moved):
    """All tensors move, and nothing else; the meta device keeps shapes and types."""
    batch = SampleBatch([item['data_samples'] for item in items])
    if moved:
        batch = pickle.loads(pickle.dumps(batch, 5))
    for sample, item in zip(batch.to('meta'), items):
        heatmaps, weights = sample.gt_fields.heatmaps, sample.gt_instance_labels.keypoint_weights
        assert heatmaps.device.type == weights.device.type == 'meta'
        assert heatmaps.shape == (17, 32, 24) and heatmaps.dtype == torch.float32
        assert isinstance(sample.gt_instances.keypoints, np.ndarray)
        assert sample.metainfo.keys() == item['data_samples'].metainfo.keys()


@pytest.mark.parametrize('moved', [False, True])
def test_targets_of_several_levels_move_to_the_device(people, moved):
    codec = dict(type='MegviiHeatmap', input_size=(96, 128), heatmap_size=(24, 32))
    pipeline = topdown_pipeline()
    pipeline[6]['encoder'] = [dict(codec, kernel_size=size) for size in (15, 11)]
    pipeline[6]['multilevel'] = True
    batch = SampleBatch([build(people, pipeline)[0]['data_samples']])
    if moved:
        batch = pickle.loads(pickle.dumps(batch, 5))
    (sample,) = batch.to('meta')
    fields = sample.gt_fields
    for levels in (fields.heatmaps, [level.heatmaps for level in fields.levels()]):
        assert [(level.device.type, tuple(level.shape)) for level in levels] == [
            ('meta', (17, 32, 24))
        ] * 2


def test_same_array_twice_is_one(items):
    sample = items[0]['data_samples']
    sample.gt_instance_labels.set_field(sample.gt_fields.heatmaps, 'again')
    batch = pickle.loads(pickle.dumps(SampleBatch([sample]), 5))
    (copy,) = batch.samples()
    assert torch.equal(copy.gt_instance_labels.again, copy.gt_fields.heatmaps)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_pinned_and_on_a_gpu(items):
    expected = pseudo_collate(items)
    batch = pickle.loads(pickle.dumps(collate_samples(items), 5))
    samples = batch['data_samples'].pin_memory()
    assert samples._memory.is_pinned()
    for sample, other in zip(samples.to('cuda', non_blocking=True), expected['data_samples']):
        assert sample.gt_fields.heatmaps.is_cuda
        assert torch.equal(sample.gt_fields.heatmaps.cpu(), other.gt_fields.heatmaps)
