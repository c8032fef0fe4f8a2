# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Random numbers of a training sample that depend only on seed, epoch and index."""

from __future__ import annotations

import random
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

from mmpose_ext.datasets.fast.batching import adapt


def seeds_of(*key: int) -> tuple[int, int, int]:
    """Return seeds for ``random``, ``numpy.random`` and torch from a sequence of integers.

    Args:
        *key (int): Integers such as (seed, epoch, index). Different keys give unrelated seeds.
    """
    # The length comes first because a SeedSequence ignores trailing zeros.
    words = np.random.SeedSequence([len(key), *map(int, key)]).generate_state(4)
    return int(words[0]), int(words[1]), int(words[2]) << 32 | int(words[3])


def seed_everything(*key: int) -> None:
    """Seed ``random``, ``numpy.random`` and torch (all devices) with :func:`seeds_of`."""
    for_random, for_numpy, for_torch = seeds_of(*key)
    random.seed(for_random)
    np.random.seed(for_numpy)
    torch.manual_seed(for_torch)


def _seed_cpu(*key: int) -> None:
    """Do the same without the devices, which samples do not use."""
    for_random, for_numpy, for_torch = seeds_of(*key)
    random.seed(for_random)
    np.random.seed(for_numpy)
    torch.default_generator.manual_seed(for_torch)


class SampleSeeds:
    """Seed each sample that a data loader draws by (seed, epoch, index).

    The epoch is a number in shared memory, so persistent data workers see it change. The result
    does not depend on the worker that draws a sample, on the number of workers, or on the process
    in a distributed training.

    Args:
        seed (int): The run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the samples drawn from now on."""
        self._epoch.fill_(epoch)

    def seed_sample(self, index: int) -> None:
        """Seed the process for the sample ``index`` of the current epoch."""
        _seed_cpu(self.seed, int(self._epoch), int(index))

    def seed_numpy(self, index: int) -> None:
        """Seed only ``numpy.random`` for a sample, for transforms that draw from nothing else."""
        np.random.seed(seeds_of(self.seed, int(self._epoch), int(index))[1])

    @contextmanager
    def kept_streams(self) -> Iterator[None]:
        """Restore the process's own random state after a ``with`` block, but in data workers."""
        if get_worker_info() is not None:
            yield
            return
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])

    def attach(self, loader: DataLoader) -> None:
        """Seed the samples of a data loader, starting with its next iterator.

        The loader's own ``worker_init_fn`` still runs in each worker.
        """
        if loader.generator is None:
            # Starting workers draws a number. It must not come from the model's stream, because
            # persistent workers start only once.
            loader.generator = torch.Generator().manual_seed(self.seed)
        if loader.num_workers == 0:
            _seed_items(loader.dataset, self)
        else:
            loader.worker_init_fn = partial(_init_worker, loader.worker_init_fn, self)


def _init_worker(before: Callable[[int], None] | None, seeds: SampleSeeds, worker_id: int) -> None:
    """Start a worker; a ``worker_init_fn`` that can be pickled."""
    if before is not None:
        before(worker_id)
    _seed_items(get_worker_info().dataset, seeds)


def _seed_items(dataset: Any, seeds: SampleSeeds) -> None:
    """Make ``dataset[index]`` draw with ``seeds``."""
    adapt(dataset, _sample_seeds=seeds)
