# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Epochs with a fixed number of steps, each on newly drawn images."""

from __future__ import annotations

import math
from typing import Iterator, Sized

import torch
from mmengine.dataset import DefaultSampler
from mmpose.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class SubsetSampler(DefaultSampler):
    """Draw a fixed number of samples per epoch, from the epoch's own shuffle of the data set.

    Use it for recipes that count steps: 1,000 steps of 8 images are an epoch of 8,000 samples, for
    a data set of any size. Training validates and saves by epochs as usual, and a resumed run
    continues exactly at its epoch. (mmengine's loop by iterations has to read all data again up to
    the point where it stopped.) If ``samples`` exceeds the data set's size, the data set is
    shuffled several times.

    Args:
        dataset (Sized): The data set.
        samples (int, optional): Samples per epoch in all processes together, rounded up to a
            multiple of their number. Defaults to None: one pass over the data set.
        seed (int, optional): As in mmengine's ``DefaultSampler``.

    Raises:
        ValueError: If ``samples`` is below 1.
    """

    def __init__(self, dataset: Sized, samples: int | None = None, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle=True, seed=seed)
        self.samples = samples
        if samples is None:
            return
        if samples < 1:
            raise ValueError(f'SubsetSampler: samples must be at least 1, got {samples}.')
        self.num_samples = math.ceil(samples / self.world_size)
        self.total_size = self.num_samples * self.world_size

    def __iter__(self) -> Iterator[int]:
        if self.samples is None:
            return super().__iter__()
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        size = len(self.dataset)
        passes = math.ceil(self.total_size / size)
        shuffled = torch.cat([torch.randperm(size, generator=generator) for _ in range(passes)])
        return iter(shuffled[self.rank : self.total_size : self.world_size].tolist())
