# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Random numbers of a training sample that depend on seed, epoch and index alone."""

from __future__ import annotations

import random
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info


def seeds_of(*key: int) -> tuple[int, int, int]:
    """Seeds for ``random``, ``numpy.random`` and torch from a row of whole numbers.

    Args:
        *key (int): For example (seed, epoch, index). Rows that differ give unrelated seeds.
    """
    # The length comes first since a SeedSequence takes no notice of zeros at the end.
    words = np.random.SeedSequence([len(key), *map(int, key)]).generate_state(4)
    return int(words[0]), int(words[1]), int(words[2]) << 32 | int(words[3])


def seed_everything(*key: int) -> None:
    """Seed ``random``, ``numpy.random`` and torch (all devices) by :func:`seeds_of`."""
    for_random, for_numpy, for_torch = seeds_of(*key)
    random.seed(for_random)
    np.random.seed(for_numpy)
    torch.manual_seed(for_torch)


def _seed_cpu(*key: int) -> None:
    """The same without the devices, from which samples don't draw."""
    for_random, for_numpy, for_torch = seeds_of(*key)
    random.seed(for_random)
    np.random.seed(for_numpy)
    torch.default_generator.manual_seed(for_torch)


@contextmanager
def _kept_streams() -> Iterator[None]:
    """Let the process go on with its own random numbers after a ``with`` block."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class SampleSeeds:
    """Seeds each sample that a data loader draws by (seed, epoch, index).

    The epoch is a number in shared memory, so that data workers which outlive an epoch see it
    change. Which worker draws a sample, of how many, in which of several processes of a distributed
    training, makes no difference.

    Args:
        seed (int): The run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Samples drawn from now on are those of this epoch."""
        self._epoch.fill_(epoch)

    def seed_sample(self, index: int) -> None:
        """Seed the process for the sample ``index`` of the present epoch."""
        _seed_cpu(self.seed, int(self._epoch), int(index))

    def attach(self, loader: DataLoader) -> None:
        """Seed the samples of a data loader from its next iterator on.

        The loader's workers start with its own ``worker_init_fn``, as before.
        """
        if loader.generator is None:
            # Starting workers draws a number: not from the stream that the model uses, since
            # workers that persist start once.
            loader.generator = torch.Generator().manual_seed(self.seed)
        if loader.num_workers == 0:
            _seed_items(loader.dataset, self)
        else:
            loader.worker_init_fn = partial(_init_worker, loader.worker_init_fn, self)


def _init_worker(before: Callable[[int], None] | None, seeds: SampleSeeds, worker_id: int) -> None:
    """A picklable ``worker_init_fn``."""
    if before is not None:
        before(worker_id)
    _seed_items(get_worker_info().dataset, seeds)


def _seed_items(dataset: Any, seeds: SampleSeeds) -> None:
    """Let ``dataset[index]`` draw by ``seeds``.

    The object gets a subclass of its class, not a wrapper around it, so that hooks which look at
    the data set or switch its pipeline find it as it was.
    """
    if not hasattr(dataset, '_sample_seeds'):
        dataset.__class__ = _seeded(type(dataset))
    dataset._sample_seeds = seeds


def _seeded(owner: type) -> type:
    """A subclass of a data set's class, for objects with ``_sample_seeds``."""

    class Seeded(owner):
        def __getitem__(self, index: int) -> Any:
            if get_worker_info() is not None:
                self._sample_seeds.seed_sample(index)
                return super().__getitem__(index)
            with _kept_streams():
                self._sample_seeds.seed_sample(index)
                return super().__getitem__(index)

        def __getitems__(self, indices: list[int]) -> list:
            """A batch; a data set's own way to draw one would not seed its samples."""
            return [self[index] for index in indices]

        def __reduce_ex__(self, protocol: Any) -> tuple:
            """Copies and pickles are of the data set's own class, which others can find."""
            state = {key: value for key, value in vars(self).items() if key != '_sample_seeds'}
            return owner.__new__, (owner,), state

    Seeded.__name__, Seeded.__qualname__ = owner.__name__, owner.__qualname__
    Seeded.__module__, Seeded.__doc__ = owner.__module__, owner.__doc__
    return Seeded
