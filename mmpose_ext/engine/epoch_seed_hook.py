# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Random numbers that depend only on the seed, the epoch and the sample."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpose.registry import HOOKS
from torch.utils.data import DataLoader

from .sample_seeds import SampleSeeds, seed_everything


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Reseed in each training epoch, which makes a resumed run repeat the undisturbed one.

    mmengine seeds once at the start, so after ``--resume`` augmentations and dropout repeat those
    of epoch 1. This hook seeds the main process before each training epoch from (seed, rank, epoch,
    iteration), and each training sample from (seed, epoch, index), whichever process loads it
    (:class:`mmpose_ext.engine.sample_seeds.SampleSeeds`). Data workers may persist. A run that was
    killed and resumed then gives exactly the metrics of an undisturbed one with the same seed and
    number of processes, with any number of data workers. On a GPU this also needs
    ``randomness=dict(seed=..., deterministic=True)``. Without a seed in the config, the first run
    draws one, and ``--resume`` takes it from the checkpoint.

    A sample that a sampler draws twice in an epoch is the same both times. (Data set wrappers that
    repeat samples, such as ``RepeatDataset``, give each repetition its own index.)

    mmengine treats a loop by iterations as one epoch and starts its workers before any hook runs.
    There the hook seeds only the main process, once, at the iteration where training starts or
    resumes. After ``--resume`` the order of the data is that of the undisturbed run; augmentations
    and dropout are reproducible, but differ from the undisturbed run's.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._seeds: SampleSeeds | None = None

    def before_train(self, runner: Runner) -> None:
        """Take the sampler's seed from a resumed run and attach the seeds to the data loader."""
        loader = runner.train_dataloader
        same_for_all_ranks = not runner._randomness_cfg.get('diff_rank_seed', False)
        sampler = _index_sampler(loader)
        if same_for_all_ranks and hasattr(sampler, 'seed'):
            sampler.seed = runner.seed
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            self._seeds = SampleSeeds(runner.seed)
            self._seeds.attach(loader)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed this process and give the data workers the epoch."""
        if self._seeds is not None:
            self._seeds.set_epoch(runner.epoch)
        seed_everything(runner.seed, runner.rank, runner.epoch, runner.iter)


def _index_sampler(loader: DataLoader) -> object:
    """Return the sampler that draws single indices, even inside a custom batch sampler."""
    batch_sampler = loader.batch_sampler
    return getattr(batch_sampler, 'sampler', None) or loader.sampler
