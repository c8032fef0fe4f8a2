# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A sample's random numbers depend only on seed, epoch and index."""

import copy
import os
import pickle
import random
from functools import partial
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader, Dataset, Subset, get_worker_info

from mmpose_ext.engine import SampleSeeds, seed_everything

LENGTH = 5


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpose')


def draw() -> tuple:
    return random.random(), np.random.rand(), torch.rand(1).item()


@DATASETS.register_module()
class RandomItems(BaseDataset):
    """Samples that hold random numbers and the process that drew them."""

    METAINFO = dict(dataset_name='random')

    def load_data_list(self) -> list:
        return [dict(number=number) for number in range(LENGTH)]

    def prepare_data(self, index: int) -> dict:
        return dict(index=index, drawn=draw(), process=os.getpid())


def loader_of(dataset, workers=0, persistent=False, **settings) -> DataLoader:
    persistent = persistent and workers > 0
    settings.update(num_workers=workers, persistent_workers=persistent, batch_size=2)
    return DataLoader(dataset, collate_fn=list, **settings)


def epochs(loader, seeds, numbers=(0, 1, 2)) -> list:
    """Return what the samples of each epoch drew."""
    drawn = []
    for epoch in numbers:
        seeds.set_epoch(epoch)
        drawn.append([item['drawn'] for batch in loader for item in batch])
    return drawn


def attached(loader, seed=3) -> SampleSeeds:
    seeds = SampleSeeds(seed)
    seeds.attach(loader)
    return seeds


WAYS = [(0, False), (1, False), (1, True), (3, True)]


@pytest.mark.parametrize(('workers', 'persistent'), WAYS)
def test_workers_make_no_difference(workers, persistent):
    expected = []
    for epoch in range(3):
        for index in range(LENGTH):
            seed_everything(3, epoch, index)
            expected.append(draw())
    loader = loader_of(RandomItems(), workers, persistent)
    drawn = epochs(loader, attached(loader))
    assert sum(drawn, []) == expected
    assert len(set(expected)) == len(expected)


@pytest.mark.parametrize(('workers', 'persistent'), WAYS)
def test_an_epoch_is_the_same_after_others_or_alone(workers, persistent):
    loader = loader_of(RandomItems(), workers, persistent)
    all_of_them = epochs(loader, attached(loader))
    later = loader_of(RandomItems(), workers, persistent)
    assert epochs(later, attached(later), [2]) == all_of_them[2:]


@pytest.mark.parametrize('workers', [0, 1])
def test_an_order_of_the_sampler_makes_no_difference(workers):
    loader = loader_of(RandomItems(), workers)
    back = loader_of(RandomItems(), workers, sampler=list(reversed(range(LENGTH))))
    expected = [epoch[::-1] for epoch in epochs(loader, attached(loader))]
    assert epochs(back, attached(back)) == expected


def wrapped(name: str) -> Dataset:
    items = dict(type='RandomItems')
    metainfo = dict(from_file='configs/_base_/datasets/coco.py')
    settings = {
        'RepeatDataset': dict(dataset=items, times=2),
        'ConcatDataset': dict(datasets=[items, items]),
        'CombinedDataset': dict(datasets=[items, items], metainfo=metainfo, pipeline=[]),
    }
    if name == 'Subset':  # torch's, which draws whole batches itself
        return Subset(wrapped('RepeatDataset'), range(2 * LENGTH))
    return DATASETS.build(dict(settings[name], type=name))


@pytest.mark.parametrize('name', ['RepeatDataset', 'ConcatDataset', 'Subset', 'CombinedDataset'])
@pytest.mark.parametrize('workers', [0, 2])
def test_wrappers(name, workers):
    """Each repetition of a sample by a wrapper is another sample."""
    dataset = wrapped(name)
    loader = loader_of(dataset, workers, persistent=True)
    drawn = epochs(loader, attached(loader))
    assert len(set(sum(drawn, []))) == 3 * 2 * LENGTH
    again = loader_of(wrapped(name), 0)
    assert epochs(again, attached(again)) == drawn


def test_persistent_workers_persist():
    loader = loader_of(RandomItems(), workers=2, persistent=True)
    seeds = attached(loader)
    processes = []
    for epoch in range(3):
        seeds.set_epoch(epoch)
        processes.append({item['process'] for batch in loader for item in batch})
    assert processes[0] == processes[1] == processes[2]
    assert os.getpid() not in processes[0] and len(processes[0]) == 2


@pytest.mark.parametrize(('workers', 'persistent'), WAYS)
def test_the_process_keeps_its_own_stream(workers, persistent):
    """Dropout must not depend on whether workers started in this epoch or live on."""
    loader = loader_of(RandomItems(), workers, persistent)
    seeds = attached(loader)
    epochs(loader, seeds, [0])
    seed_everything(8)
    expected = [draw() for _ in range(4)]
    seed_everything(8)
    drawn = []
    for _ in loader:
        drawn.append(draw())
    assert drawn == expected[: len(drawn)] and drawn


def test_dataset_stays_what_it_was():
    dataset = RandomItems()
    for _ in range(2):  # attaching twice is attaching once
        attached(loader_of(dataset))
    assert isinstance(dataset, RandomItems) and type(dataset).__name__ == 'RandomItems'
    assert type(dataset).__mro__.count(RandomItems) == 1
    dataset.pipeline = 'switched'
    assert dataset[0]['index'] == 0 and dataset.pipeline == 'switched'


def test_copies_are_of_the_class_itself():
    """A sample of mmpose can hold its data set, which the worker then pickles."""
    dataset = RandomItems()
    attached(loader_of(dataset))
    for copied in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert type(copied) is RandomItems and len(copied) == LENGTH
    assert dataset[1]['drawn'] == dataset[1]['drawn']
    assert copied[1]['drawn'] != copied[1]['drawn']


def test_the_latest_seeds_hold():
    dataset = RandomItems()
    attached(loader_of(dataset), seed=1)
    attached(loader_of(dataset), seed=2)
    seed_everything(2, 0, 4)
    expected = draw()
    assert dataset[4]['drawn'] == expected


def note_start(worker_id: int, note: dict) -> None:
    get_worker_info().dataset.note = dict(note, worker=worker_id)


class Noted(RandomItems):
    def prepare_data(self, index: int) -> dict:
        return dict(note=self.note)


def test_a_worker_init_fn_of_the_config_is_kept():
    start = partial(note_start, note=dict(by='config'))
    loader = loader_of(Noted(), workers=1, worker_init_fn=start)
    attached(loader)
    assert next(iter(loader))[0]['note'] == dict(by='config', worker=0)


def test_spawned_workers_get_the_epoch_as_well():
    """Spawned workers get the seeds in a pickle, with the shared memory by name."""
    loader = loader_of(RandomItems(), workers=1)
    seeds = attached(loader)
    sent = pickle.loads(ForkingPickler.dumps(loader.worker_init_fn)).args[1]
    seeds.set_epoch(41)
    sent.seed_sample(0)
    drawn = draw()
    seed_everything(3, 41, 0)
    assert drawn == draw()


def test_a_failing_sample_leaves_the_stream():
    class Failing(RandomItems):
        def __getitem__(self, index: int) -> dict:
            raise KeyError(index)

    dataset = Failing()
    attached(loader_of(dataset))
    seed_everything(8)
    expected = draw()
    seed_everything(8)
    with pytest.raises(KeyError):
        dataset[0]
    assert draw() == expected
