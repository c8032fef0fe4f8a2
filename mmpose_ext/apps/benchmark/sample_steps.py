# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Time the preparation of a sample per transform: plain, faster, from crops."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import pseudo_collate

from mmpose_ext.apps.pack import PackJob, fill_pack, prepare_pack
from mmpose_ext.datasets.fast import (
    BatchedPipeline,
    BottomupBatches,
    SampleBatch,
    SourceImages,
    collate_samples,
    prepare_in_batches,
    speed_up_dataset,
)
from mmpose_ext.datasets.fast.batching import BATCHES
from mmpose_ext.datasets.pack import packable, reach_of, use_pack
from mmpose_ext.utils.errors import ArgumentError

from .contestants import Contestant
from .loading import build_dataset, fits_synthetic_people, loader_measure, synthetic_set
from .rows import Row, make_rows
from .settings import Settings
from .timing import take_turns

PART = 'loading'
FASTER, CROPS, DEVICE = 'reading faster', 'from crops', 'warped on the device'
#: The step that the training process takes instead of a worker, which no sum contains.
MOVED = 'warping in the training process, by OpenCV'


def measure_loading(
    contestants: Sequence[Contestant],
    config: str,
    settings: Settings,
    tell: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    """Time samples of the peers and of the config (plain, faster, warped later, from crops).

    All read the config's data set, or the synthetic one. The time is the thread's CPU time;
    preparing and opening a pack does not count.

    Args:
        contestants (Sequence[Contestant]): The config's contestant, then its peers.
        config (str): The config's name in the rows.
        settings (Settings): The settings.
        tell (Callable): Called with a description of each measurement.

    Returns:
        tuple[list[Row], list[str]]: The figures, and what was not measured and why.

    Raises:
        ValueError: If the keypoints are not COCO's and no data set is given.
    """
    # As mmengine does in workers. The clock is one thread's, and workers that are forked while
    # OpenCV threads run hang.
    cv2.setNumThreads(0)
    ours, *others = contestants
    others = [c for c in others if 'loader' in c.measures and c.model and not c.shares]
    if not settings.data_root and not fits_synthetic_people(ours):
        raise ArgumentError("synthetic people have COCO's 17 keypoints: give {}", 'data_root')
    notes, rows = [], []
    with contextlib.ExitStack() as stack:
        given = settings.data_root or stack.enter_context(synthetic_set(settings.images))
        others = [c.change(dataset=ours.dataset) for c in others]
        datasets = {c.name: build_dataset(c, given) for c in [*others, ours]}
        datasets[FASTER] = build_dataset(ours, given)
        speed_up_dataset(datasets[FASTER])
        if ours.is_bottomup:
            datasets[DEVICE] = build_dataset(ours, given)
            speed_up_dataset(datasets[DEVICE])
        try:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            datasets[CROPS] = _from_crops(build_dataset(ours, given), folder, settings.size, tell)
        except (ValueError, ImportError) as error:
            notes.append(f'{CROPS}: not measured: {error}')
        tell(f'{PART}: ' + '; '.join(datasets))
        collate = {name: pseudo_collate for name in datasets}
        for name in datasets.keys() & {FASTER, CROPS, DEVICE}:
            prepare_in_batches(datasets[name], on_device=name == DEVICE)
            collate[name] = collate_samples
        runs = {
            name: _Samples(dataset, settings.batch, settings.batches, collate[name])
            for name, dataset in datasets.items()
        }
        timings = take_turns({name: run.measure for name, run in runs.items()}, settings.runs)
        rows += _rows_of_steps(timings, config, settings)
        measures = {
            (workers, name): loader_measure(
                dataset, workers, settings.batch, settings.batches, collate[name]
            )
            for workers in settings.workers
            for name, dataset in datasets.items()
        }
        waited = take_turns(measures, settings.runs, warmup=0)
        for workers in settings.workers:
            values = {name: waited[workers, name] for name in datasets}
            case = f'{workers} worker' + 's' * (workers != 1)
            rows += make_rows(values, PART, config, 'loader', 'ms per sample', settings.batch, case)
    return rows, notes


class _Samples:
    """The same batches of a data set, repeatedly, with a clock at each transform."""

    def __init__(
        self, dataset: Any, batch: int, batches: int, collate: Callable[[list], dict]
    ) -> None:
        self.dataset = dataset
        self.collate = collate
        order = np.random.default_rng(0).permutation(len(dataset))
        self.batches = np.resize(order, (batches, batch)).tolist()
        self.spent: dict[str, float] = {}

    def measure(self) -> dict[str, float]:
        """Return the seconds of a sample per step, and ``all`` for their sum."""
        self.spent = {}
        np.random.seed(0)
        start = time.thread_time()
        for indices in self.batches:
            self._batch(indices)
        self.spent['all'] = time.thread_time() - start - self.spent.get(MOVED, 0.0)
        samples = sum(map(len, self.batches))
        return {name: spent / samples for name, spent in self.spent.items()}

    def _batch(self, indices: list[int]) -> None:
        whole = vars(self.dataset).get(BATCHES)
        if isinstance(whole, BatchedPipeline):
            batch: Any = indices
            for name, stage in whole.stages():
                batch = self._timed(name, partial(stage, batch))
        elif isinstance(whole, BottomupBatches):
            pipeline = whole.pipeline
            items = [self._sample(index, pipeline) for index in indices]
            batch = self._timed('batch', partial(whole.collate, items))
        else:
            batch = [self._sample(index, self.dataset.pipeline) for index in indices]
        if isinstance(batch, list):
            batch = self._timed('collating', partial(self.collate, batch))
        if isinstance(batch['data_samples'], SampleBatch):
            self._timed('unpacking', batch['data_samples'].samples)
        if isinstance(batch['inputs'], SourceImages):
            self._timed(MOVED, partial(batch['inputs'].warp, 'cpu'))

    def _sample(self, index: int, pipeline: Any) -> dict:
        results = self._timed('annotation', partial(self.dataset.get_data_info, index))
        results['dataset'] = self.dataset
        for step in pipeline.transforms:
            name = type(step).__name__
            name = name[4:] if name.startswith('Fast') else name
            results = self._timed(name, partial(step, results))
        return results

    def _timed(self, name: str, call: Callable[[], Any]) -> Any:
        start = time.thread_time()
        result = call()
        self.spent[name] = self.spent.get(name, 0.0) + time.thread_time() - start
        return result


def _from_crops(dataset: Any, folder: Path, size: int, tell: Callable[[str], None]) -> Any:
    """Return a data set that reads from a pack made in a folder."""
    tell('packing')
    speed_up_dataset(dataset)
    ((part, steps),) = packable(dataset)
    job = PackJob(folder / 'people.pack', [part], reach_of(steps))
    fill_pack(job, prepare_pack(job, size=size))
    use_pack(dataset, job.path)
    return dataset


def _rows_of_steps(timings: dict[str, list], config: str, settings: Settings) -> list[Row]:
    """Return rows for the whole sample, the cores that a rate needs, and each step."""
    whole = {name: [run['all'] for run in runs] for name, runs in timings.items()}
    rows = make_rows(whole, PART, config, 'sample', 'ms per sample')
    speeds = {name: [1 / value for value in values] for name, values in whole.items()}
    rows += make_rows(speeds, PART, config, 'one core', 'samples per second')
    for rate in settings.rates:
        cores = {name: [rate * value for value in values] for name, values in whole.items()}
        rows += make_rows(cores, PART, config, f'for {rate:,} images a second', 'cores')
    steps = dict.fromkeys(s for runs in timings.values() for s in runs[0] if s != 'all')
    for step in steps:
        having = {name: runs for name, runs in timings.items() if step in runs[0]}
        values = {name: [run[step] for run in runs] for name, runs in having.items()}
        rows += make_rows(values, PART, config, 'step', 'ms per sample', case=step)
        if step != MOVED:
            shares = {n: [100 * run[step] / run['all'] for run in r] for n, r in having.items()}
            rows += make_rows(shares, PART, config, 'share', '%', case=step)
    return rows
