# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Copies of a data set that gives batches."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from mmpose_ext.datasets.fast import collate_samples, prepare_in_batches
from mmpose_ext.datasets.fast.batching import adapt, own_class
from mmpose_ext.engine.sample_seeds import SampleSeeds

from .test_batched_pipeline import assert_batch_is, build_fast, pipeline_of
from .test_bottomup_batches import build_fast as build_bottomup


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


@pytest.mark.parametrize('change', [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies_give_the_same_batches(dataset, change):
    other = change(dataset)
    other = pickle.loads(other) if isinstance(other, bytes) else other
    assert type(other) is type(dataset) and own_class(other) is own_class(dataset)
    batches = []
    for one in (dataset, Subset(other, range(5))):
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
