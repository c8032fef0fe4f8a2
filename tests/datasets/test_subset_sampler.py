# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from __future__ import annotations

from collections import Counter

import pytest
from mmengine.dataset import DefaultSampler

from mmpose_ext.datasets import SubsetSampler


def epochs(sampler, number):
    drawn = []
    for epoch in range(number):
        sampler.set_epoch(epoch)
        drawn.append([*sampler])
        assert len(drawn[-1]) == len(sampler)
    return drawn


def test_an_epoch_is_a_fresh_part_of_the_data():
    drawn = epochs(SubsetSampler(range(100), samples=24, seed=0), 50)
    assert all(len(set(epoch)) == 24 for epoch in drawn)
    assert len({tuple(epoch) for epoch in drawn}) == 50
    count = Counter(index for epoch in drawn for index in epoch)
    assert set(count) == set(range(100)) and max(count.values()) < 30  # 12 on average


def test_an_epoch_depends_on_seed_and_epoch_alone():
    first, again = (SubsetSampler(range(100), samples=24, seed=3) for _ in range(2))
    again.set_epoch(2)
    assert epochs(first, 3)[2] == [*again]


def test_more_samples_than_data():
    (drawn,) = epochs(SubsetSampler(range(10), samples=25, seed=0), 1)
    assert sorted(Counter(drawn).values()) == [2] * 5 + [3] * 5


def test_without_a_number_it_is_mmengines():
    plain, ours = DefaultSampler(range(30), seed=1), SubsetSampler(range(30), seed=1)
    assert epochs(plain, 3) == epochs(ours, 3)


def test_processes_share_an_epoch(monkeypatch):
    drawn = []
    for rank in range(4):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 4))
        (own,) = epochs(SubsetSampler(range(100), samples=22, seed=0), 1)
        drawn += own
    assert len(drawn) == len(set(drawn)) == 24


def test_refuses_no_samples():
    with pytest.raises(ValueError, match='at least 1'):
        SubsetSampler(range(10), samples=0, seed=0)
