# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Time a config's training step, plain and with ``fast_training`` options, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch

from mmpose_ext.engine.fast_training_hook import FastTraining, speed_up
from mmpose_ext.utils.ranges import require_one_of

from .contestants import Contestant
from .networks import build_network, random_images, step_call
from .rows import Row, make_rows
from .samples import make_people, make_samples
from .settings import Settings
from .timing import synchronizer, take_turns, timed

PART = 'fast-training'
NOTHING = FastTraining(False, False, False, cudnn_benchmark=False)
#: Each setting alone, and the machine's choice as in ``configs/_base_/fast.py``.
VARIANTS: Mapping[str, FastTraining] = {
    'channels_last': FastTraining(True, False, False, cudnn_benchmark=False),
    'mixed_precision': FastTraining(False, True, False, cudnn_benchmark=False),
    'compile': FastTraining(False, False, True, cudnn_benchmark=False),
    'fast.py': FastTraining(),
}


def measure_fast_steps(
    ours: Contestant, config: str, settings: Settings, tell: Callable[[str], None]
) -> list[Row]:
    """Time training steps of one network with each of the settings, in turns.

    Args:
        ours (Contestant): The config's contestant.
        config (str): Name of the config in the rows.
        settings (Settings): The settings; ``dtype`` is ignored.
        tell (Callable): Called with a description of each measurement.
    """
    for name in settings.variants:
        require_one_of(VARIANTS, variants=name)
    keypoints = ours.metainfo['num_keypoints']
    points = make_people(ours, settings.batch, settings.people[0], keypoints)
    samples = make_samples(ours, points)
    images = random_images(ours, settings.batch, settings.device)
    calls = {}
    variants = {name: VARIANTS[name] for name in settings.variants or VARIANTS}
    for name, variant in {ours.name: NOTHING, **variants}.items():
        model = build_network(ours, settings.device)
        done = speed_up(model, variant, torch.device(settings.device))
        tell(f'step, {name}: {", ".join(done) or "plain"}')
        step = step_call(model, images, samples, ours.optimizer, 'float32')
        step = timed(step, synchronize=synchronizer(settings.device))
        calls[name] = partial(_with_cudnn_benchmark, variant.cudnn_benchmark, step)
    before = torch.backends.cudnn.benchmark
    try:
        timings = take_turns(calls, settings.runs, warmup=2)
    finally:
        torch.backends.cudnn.benchmark = before
    return make_rows(timings, PART, config, 'step', 'ms', settings.batch)


def _with_cudnn_benchmark(on: bool, step: Callable[[], float]) -> float:
    """Run a step with this setting, which applies to the whole process."""
    torch.backends.cudnn.benchmark = on
    return step()
