# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Random numbers of an epoch that depend on the seed and the epoch alone."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import torch
from mmengine.hooks import Hook
from mmpose.registry import HOOKS
from torch.utils.data import DataLoader


def seed_everything(*key: int) -> None:
    """Seed ``random``, ``numpy.random`` and torch (all devices) from a row of whole numbers.

    Args:
        *key (int): For example (seed, rank, epoch); rows that differ give unrelated streams.
    """
    # The length comes first since a SeedSequence takes no notice of zeros at the end.
    words = np.random.SeedSequence([len(key), *map(int, key)]).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]) << 32 | int(words[3]))


def seed_worker(worker_id: int, key: tuple[int, ...]) -> None:
    """Seed one data worker; a picklable ``worker_init_fn`` once ``key`` is bound."""
    seed_everything(*key, worker_id)


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Reseed before each training epoch, so that a resumed run repeats the undisturbed one.

    mmengine seeds once at the start: after ``--resume`` augmentations and dropout are those of
    epoch 1 again. This hook seeds the main process and the data workers before each training epoch
    from (seed, rank, epoch, iteration, worker). A run that was killed and resumed then gives
    exactly the metrics of an undisturbed one with the same seed, number of workers and number of
    processes; on a GPU that also takes ``randomness=dict(seed=..., deterministic=True)``. Without
    a seed in the config the first run draws one, and ``--resume`` takes it from the checkpoint.

    A loop by iterations is one epoch to mmengine, so there it seeds once, at the iteration that
    training starts or goes on from: after ``--resume`` the order of the data is the undisturbed
    run's; augmentations and dropout are reproducible but not the undisturbed run's.

    Raises:
        ValueError: In training with ``persistent_workers=True``: such workers are not started
            anew with an epoch, and so cannot be seeded.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        """Check the data loader and take the sampler's seed from a resumed run."""
        loader = runner.train_dataloader
        if loader.num_workers > 0 and loader.persistent_workers:
            raise ValueError(
                'EpochSeedHook cannot seed data workers that outlive an epoch: set '
                'train_dataloader.persistent_workers=False, or remove the hook '
                '(then a resumed run differs from an undisturbed one)'
            )
        same_for_all_ranks = not runner._randomness_cfg.get('diff_rank_seed', False)
        sampler = _index_sampler(loader)
        if same_for_all_ranks and hasattr(sampler, 'seed'):
            sampler.seed = runner.seed

    def before_train_epoch(self, runner) -> None:
        """Seed this process, and the workers that the data loader is about to start."""
        key = (runner.seed, runner.rank, runner.epoch, runner.iter)
        runner.train_dataloader.worker_init_fn = partial(seed_worker, key=key)
        seed_everything(*key)


def _index_sampler(loader: DataLoader) -> object:
    """The sampler that draws single indices, also from below a custom batch sampler."""
    batch_sampler = loader.batch_sampler
    return getattr(batch_sampler, 'sampler', None) or loader.sampler
