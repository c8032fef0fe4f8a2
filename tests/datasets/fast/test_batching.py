# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Copies of a data set that gives batches."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from mmpose.datasets import CocoDataset
from mmpose.registry import DATASETS
from torch.utils.data import Subset

from mmpose_ext.datasets.fast import collate_samples, prepare_in_batches, speed_up_dataset
from mmpose_ext.datasets.fast.batching import adapt, own_class
from mmpose_ext.engine.sample_seeds import SampleSeeds

from .conftest import build
from .test_batched_pipeline import assert_batch_is, build_fast, pipeline_of
from .test_bottomup_batches import build_fast as build_bottomup
from .test_bottomup_batches import pipeline_of as bottomup_pipeline


@pytest.fixture(params=['topdown', 'bottomup'])
def dataset(request, people):
    dataset = build_fast(people, pipeline_of()) if request.param == 'topdown' else None
    dataset = dataset or build_bottomup(people)
    assert prepare_in_batches(dataset)
    return dataset


def test_shallow_copy_with_another_pipeline(people):
    """A copy's batches come from its own pipeline, the original's from the original's."""
    dataset = build_fast(people, pipeline_of())
    assert prepare_in_batches(dataset)
    other = copy.copy(dataset)
    other.pipeline = build_fast(people, pipeline_of('regression')).pipeline
    for one, name in ((other, 'keypoint_labels'), (dataset, 'keypoint_weights')):
        batch = collate_samples(one.__getitems__([0, 1]))
        assert name in batch['data_samples'].samples()[0].gt_instance_labels
    assert isinstance(dataset.__getitems__([0, 1]), dict)
    assert isinstance(other.__getitems__([0, 1]), list)
    np.random.seed(0)
    items = [other[0], other[1]]
    np.random.seed(0)
    assert_batch_is(other.__getitems__([0, 1]), items)


def test_shallow_copy_with_other_annotations(dataset):
    other = copy.copy(dataset)
    other.get_subset_([2, 3])
    (found,) = collate_samples(other.__getitems__([0]))['data_samples'].samples()
    (expected,) = collate_samples(dataset.__getitems__([2]))['data_samples'].samples()
    assert found.img_path == expected.img_path


def test_replaced_metainfo_is_followed(people):
    dataset = build_fast(people, pipeline_of())
    assert prepare_in_batches(dataset)
    dataset._metainfo = dict(dataset._metainfo, flip_indices=list(range(17)))
    np.random.seed(3)
    items = [dataset[index] for index in range(4)]
    np.random.seed(3)
    assert_batch_is(collate_samples(dataset.__getitems__(list(range(4)))), items)


@DATASETS.register_module()
class OwnBatches(CocoDataset):
    """It adds a number to the samples of a batch."""

    def __getitems__(self, indices):
        samples = [self[index] for index in indices]
        for sample in samples:
            sample['data_samples'].set_metainfo(dict(drawn=np.random.rand()))
        return samples


@DATASETS.register_module()
class OwnSamples(CocoDataset):
    """It changes what the pipeline returns."""

    def prepare_data(self, idx):
        sample = super().prepare_data(idx)
        return dict(sample, inputs=sample['inputs'].flip(0))


@pytest.mark.parametrize('mode', ['topdown', 'bottomup'])
def test_own_batches_are_kept(people, mode):
    steps = pipeline_of() if mode == 'topdown' else bottomup_pipeline()
    dataset = build(people, steps, mode, type='OwnBatches')
    speed_up_dataset(dataset)
    assert prepare_in_batches(dataset) == ''
    for seeds in (None, SampleSeeds(1)):
        adapt(dataset, _sample_seeds=seeds)
        drawn = []
        for _ in range(2):
            batch = dataset.__getitems__([1, 2])
            drawn.append([sample['data_samples'].drawn for sample in batch])
        assert (drawn[0] == drawn[1]) == (seeds is not None)


@pytest.mark.parametrize('mode', ['topdown', 'bottomup'])
def test_own_samples_are_prepared_one_by_one(people, mode):
    steps = pipeline_of() if mode == 'topdown' else bottomup_pipeline()
    plain, own = (
        build(people, copy.deepcopy(steps), mode, type=t) for t in ('CocoDataset', 'OwnSamples')
    )
    for dataset in (plain, own):
        speed_up_dataset(dataset)
    assert prepare_in_batches(own) == ''
    adapt(own, _sample_seeds=None)
    np.random.seed(0)
    expected = plain[3]['inputs'].flip(0)
    np.random.seed(0)
    assert torch.equal(own.__getitems__([3])[0]['inputs'], expected)


@DATASETS.register_module()
class WithHandle(CocoDataset):
    """It holds what cannot be pickled, and leaves it out."""

    def full_init(self):
        super().full_init()
        self.handle = threading.Lock()

    def __getstate__(self):
        return dict(vars(self), handle=None)


def test_own_state_is_pickled(people):
    dataset = build(people, pipeline_of(), type='WithHandle')
    speed_up_dataset(dataset)
    assert prepare_in_batches(dataset)
    adapt(dataset, _sample_seeds=SampleSeeds(1))
    other = pickle.loads(pickle.dumps(dataset))
    assert other.handle is None and '_sample_seeds' not in vars(other)
    assert isinstance(other.__getitems__([1, 2]), dict)


@pytest.mark.parametrize('change', [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies_give_the_same_batches(dataset, change):
    other = change(dataset)
    other = pickle.loads(other) if isinstance(other, bytes) else other
    assert type(other) is type(dataset) and own_class(other) is own_class(dataset)
    batches = []
    part = Subset(other, range(5))
    for one in (dataset, part if hasattr(part, '__getitems__') else other):  # torch 2.0 has none
        np.random.seed(0)
        batches.append(one.__getitems__([1, 4, 2]))
        assert isinstance(batches[-1], dict)
    assert torch.equal(batches[0]['inputs'], batches[1]['inputs'])


def test_seeds_are_not_copied(dataset):
    seeds = SampleSeeds(1)
    adapt(dataset, _sample_seeds=seeds)
    inputs = [dataset.__getitems__([1, 2])['inputs'] for _ in range(2)]
    assert torch.equal(*inputs)
    np.random.seed(0)
    other = copy.copy(dataset)
    inputs = [other.__getitems__([1, 2])['inputs'] for _ in range(2)]
    assert not torch.equal(*inputs)


def test_only_seeded_data_set_copies_as_its_own_class(people):
    dataset = build_fast(people, pipeline_of())
    kind = type(dataset)
    adapt(dataset, _sample_seeds=SampleSeeds(1))
    assert type(copy.copy(dataset)) is kind is own_class(dataset)
