# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The settings of the benchmark, with their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmpose_ext.apps.pack.writer import SIZE
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import require_least, require_one_of

from .contestants import MEASURES
from .loading import IMAGES
from .networks import DTYPES
from .noise_errors import ERRORS, STRENGTHS
from .timing import CLOCKS, WALL


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark.

    Attributes:
        runs (int): Runs of each contestant.
        batch (int): Samples per batch.
        device (str): Torch device for networks, drawing and decoding.
        dtype (str): 'float32', or the dtype that forward passes and steps are autocast to.
        measures (Sequence[str]): The elements of MEASURES to run.
        people (Sequence[int]): Numbers of people per image of a bottom-up config. The part 'config'
            uses the first one.
        noise (float): See :func:`.codecs.make_maps`.
        workers (Sequence[int]): Numbers of workers of the loaders.
        batches (int): Batches of a loader to time per run.
        images (int): Number of synthetic images for the loaders.
        data_root (str, optional): Root of the config's own data set, for the loaders.
        variants (Sequence[str]): Elements of :data:`.fast_steps.VARIANTS` for the part
            'fast-training'; all of them if empty.
        rates (Sequence[int]): Images per second for which the part 'loading' computes the cores
            needed.
        size (int): Longest side of a crop in pixels for the part 'loading'.
        clock (str): Clock for encoding and decoding; see :data:`.timing.CLOCKS`.
        errors (Sequence[str]): Elements of :data:`.noise_errors.ERRORS` for the part 'noise'.
        strengths (Sequence[float]): Strengths of these errors in input pixels.
        annotations (str, optional): COCO file with the people for the part 'noise'.
        vary (Sequence[str]): ``SETTING=VALUE`` each, for variants of the codec in the part 'noise'.

    Raises:
        ArgumentError: If a setting is out of range or unknown.
    """

    runs: int = 15
    batch: int = 4
    device: str = 'cpu'
    dtype: str = 'float32'
    measures: Sequence[str] = MEASURES
    people: Sequence[int] = (5,)
    noise: float = 1.0
    workers: Sequence[int] = (1, 2)
    batches: int = 10
    images: int = IMAGES
    data_root: str | None = None
    variants: Sequence[str] = ()
    rates: Sequence[int] = (1000, 3000)
    size: int = SIZE
    clock: str = WALL
    errors: Sequence[str] = ERRORS
    strengths: Sequence[float] = STRENGTHS
    annotations: str | None = None
    vary: Sequence[str] = ()

    def __post_init__(self) -> None:
        require_least(1, runs=self.runs, batch=self.batch, batches=self.batches)
        require_least(1, images=self.images, size=self.size)
        require_least(0, noise=self.noise)
        if not self.people:
            raise ArgumentError('{} must hold a number', 'people')
        for least, name in ((1, 'people'), (1, 'rates'), (0, 'workers'), (0, 'strengths')):
            for value in getattr(self, name):
                require_least(least, **{name: value})
        require_one_of(DTYPES, dtype=self.dtype)
        require_one_of(CLOCKS, clock=self.clock)
        for known, name in ((MEASURES, 'measures'), (ERRORS, 'errors')):
            for value in getattr(self, name):
                require_one_of(known, **{name: value})
        for value in self.vary:
            if '=' not in value:
                raise ArgumentError('{} must be SETTING=VALUE, not {value!r}', 'vary', value=value)
