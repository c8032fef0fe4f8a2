# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Time the start of a training epoch with persistent and with new data workers, in turns.

Usage: python tools/epoch_start.py CONFIG [--turns 7] [--workers 2] [--samples 64]

The start of an epoch is the time from creating the data loader's iterator to its first batch. The
script uses the config's data, and prints medians and the time that seeding adds per sample.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmpose_ext.apps.shared.piped_output import piped_output
from mmpose_ext.engine import SampleSeeds


def seconds_to_first_batch(loader: DataLoader, seeds: SampleSeeds, epoch: int) -> float:
    """Start an epoch, take its first batch, and then the others, as training does."""
    seeds.set_epoch(epoch)
    start = time.perf_counter()
    batches = iter(loader)
    next(batches)
    seconds = time.perf_counter() - start
    for _ in batches:
        pass
    return seconds


def seeding_seconds(repeats: int = 2000) -> float:
    """Return the seconds that seeding one sample takes."""
    seeds = SampleSeeds(0)
    start = time.perf_counter()
    for index in range(repeats):
        seeds.seed_sample(index)
    return (time.perf_counter() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='a training config whose data exist')
    parser.add_argument('--turns', type=int, default=7, help='epochs of each kind (7)')
    parser.add_argument('--workers', type=int, default=2, help='data workers (2)')
    parser.add_argument('--samples', type=int, default=64, help='samples per epoch (64)')
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.default_scope)
    loaders = {}
    for persistent in (True, False):
        settings = dict(num_workers=args.workers, persistent_workers=persistent)
        settings = {**cfg.train_dataloader, **settings}
        settings['dataset'] = dict(settings['dataset'], indices=args.samples)
        loader = Runner.build_dataloader(settings, seed=0)
        seeds = SampleSeeds(0)
        seeds.attach(loader)
        seconds_to_first_batch(loader, seeds, 0)  # the first start is the same for both
        loaders[persistent] = loader, seeds
    times = {True: [], False: []}
    for turn in range(1, args.turns + 1):
        for persistent, pair in loaders.items():
            times[persistent].append(seconds_to_first_batch(*pair, turn))
    kept, new = (1000 * median(times[persistent]) for persistent in (True, False))
    print(f'{args.workers} persistent workers: {kept:.0f} ms to the first batch')
    print(f'{args.workers} new workers: {new:.0f} ms, {new / kept:.2f} times as long')
    print(f'seeding: {1e6 * seeding_seconds():.0f} microseconds per sample')


if __name__ == '__main__':
    with piped_output():
        main()
