# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The parts of the benchmark: measures, contestants and their order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Dict, List

import numpy as np
from torch import nn

from mmpose_ext.utils.errors import ArgumentText
from mmpose_ext.utils.sequences import zip_equal

from .codecs import decode_call, encode_call, make_maps
from .contestants import MEASURES, OF_NETWORK, Contestant
from .loading import build_dataset, bytes_of, fits_synthetic_people, loader_measure, synthetic_set
from .networks import (
    build_network,
    complexity_of,
    forward_call,
    random_images,
    step_call,
    targets_call,
)
from .rows import Row, make_rows
from .samples import make_people, make_samples
from .settings import Settings
from .timing import CLOCKS, WALL, synchronizer, take_turns, timed

Timings = Dict[str, List[float]]
UNITS = {'encode': 'us per sample', 'loader': 'ms per sample'}


class ConfigBenchmark:
    """Measure a config and its peers (the part 'config').

    Args:
        contestants (Sequence[Contestant]): The config's contestant, then its peers.
        config (str): The config's name in the rows.
        settings (Settings): The settings.
        tell (Callable): Called with a description of each measurement. Defaults to no call.

    Attributes:
        notes (list[str]): What was not measured, and why.
    """

    def __init__(
        self,
        contestants: Sequence[Contestant],
        config: str,
        settings: Settings,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.contestants = list(contestants)
        self.config = config
        self.settings = settings
        self.tell = tell
        self.notes: list[str] = []
        self._networks: dict[str, nn.Module] = {}

    def run(self) -> list[Row]:
        """Run all measures of the settings, and note those that cannot be measured."""
        rows, timings = [], {}
        for measure in MEASURES:
            entered = [c for c in self.contestants if measure in c.measures]
            if measure not in self.settings.measures or not entered:
                continue
            self.tell(f'{measure}: ' + '; '.join(c.name for c in entered))
            if measure == 'loader':
                rows += self._loader(entered)
                continue
            calls = self._calls(measure, entered)
            if not calls:
                continue
            timings[measure] = take_turns(calls, self.settings.runs)
            rows += self._rows(timings[measure], measure, UNITS.get(measure, 'ms'))
            if measure == 'decode' and 'encode' in timings:
                rows += self._sum(timings['encode'], timings['decode'])
            if measure == 'forward':
                rows += self._complexity(entered)
            if measure == 'step' and 'targets' in timings:
                rows += self._share(timings['targets'], timings['step'])
        return rows

    def _calls(self, measure: str, entered: list[Contestant]) -> dict[str, Callable[[], float]]:
        make = self._network_call if measure in OF_NETWORK else self._codec_call
        clock = CLOCKS[WALL if measure in OF_NETWORK else self.settings.clock]
        synchronize = synchronizer(self.settings.device)
        calls = {}
        for contestant in entered:
            try:
                call = make(measure, contestant)
            except ValueError as error:
                self.notes.append(f'{contestant.name}, {measure}: not measured: {error}')
                continue
            calls[contestant.name] = timed(call, clock, synchronize)
        return calls

    def _points(self, contestant: Contestant) -> np.ndarray:
        keypoints = contestant.metainfo['num_keypoints']
        return make_people(contestant, self.settings.batch, self.settings.people[0], keypoints)

    def _codec_call(self, measure: str, contestant: Contestant) -> Callable:
        points, device = self._points(contestant), self.settings.device
        if measure == 'encode':
            return encode_call(contestant, points, device)
        codec, maps = make_maps(contestant, points, self.settings.noise, device)
        return decode_call(codec, maps)

    def _network_call(self, measure: str, contestant: Contestant) -> Callable:
        settings = self.settings
        owner = contestant.shares or contestant.name
        if owner not in self._networks:
            self._networks[owner] = build_network(contestant, settings.device)
        model = self._networks[owner]
        images = random_images(contestant, settings.batch, settings.device)
        if measure == 'forward':
            return forward_call(model, images, settings.dtype)
        samples = make_samples(contestant, self._points(contestant))
        if measure == 'targets':
            return targets_call(model, samples, settings.device)
        return step_call(model, images, samples, contestant.optimizer, settings.dtype)

    def _loader(self, entered: list[Contestant]) -> list[Row]:
        settings, rows = self.settings, []
        if not settings.data_root and not fits_synthetic_people(entered[0]):
            self.notes.append(
                ArgumentText(
                    "loader: not measured: synthetic people have COCO's 17 keypoints; set {} for "
                    "the config's own data set",
                    'data_root',
                )
            )
            return []
        with contextlib.ExitStack() as stack:
            given = settings.data_root or stack.enter_context(synthetic_set(settings.images))
            datasets = {c.name: build_dataset(c, given) for c in entered}
            measures = {
                (workers, name): loader_measure(dataset, workers, settings.batch, settings.batches)
                for workers in settings.workers
                for name, dataset in datasets.items()
            }
            timings = take_turns(measures, settings.runs, warmup=0)
            for number in settings.workers:
                values = {name: timings[number, name] for name in datasets}
                case = f'{number} worker' + 's' * (number != 1)
                rows += self._rows(values, 'loader', UNITS['loader'], case)
            sizes = {name: bytes_of(dataset[0]) for name, dataset in datasets.items()}
            for i, what in enumerate(('sample', "sample's targets")):
                values = {name: [float(size[i])] for name, size in sizes.items()}
                rows += self._rows(values, what, 'bytes', batch=1)
        return rows

    def _sum(self, encode: Timings, decode: Timings) -> list[Row]:
        """Return the sum of encoding and decoding per sample, run by run."""
        both = {
            name: [e + d for e, d in zip_equal(encode[name], decode[name])]
            for name in decode
            if name in encode
        }
        return self._rows(both, 'encode + decode', 'us per sample') if both else []

    def _share(self, targets: Timings, step: Timings) -> list[Row]:
        """Return the share of a training step that the targets take, run by run."""
        shares = {
            name: [100 * t / s for t, s in zip_equal(targets[name], step[name])]
            for name in step
            if name in targets
        }
        return self._rows(shares, 'targets of the step', '%', batch=1) if shares else []

    def _complexity(self, entered: list[Contestant]) -> list[Row]:
        counts = {c.name: complexity_of(c) for c in entered}
        params = {name: [count.params / 1e6] for name, count in counts.items()}
        gmacs = {name: [count.gmacs] for name, count in counts.items()}
        return [
            *self._rows(params, 'parameters', 'million', batch=1),
            *self._rows(gmacs, 'multiply-adds', '10^9', batch=1),
        ]

    def _rows(
        self, values: Timings, measure: str, unit: str, case: str = '', batch: int | None = None
    ) -> list[Row]:
        batch = batch or self.settings.batch
        return make_rows(values, 'config', self.config, measure, unit, batch, case)
