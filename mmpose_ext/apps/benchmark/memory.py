# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure time and memory of an attention block or a training step in separate processes."""

from __future__ import annotations

import multiprocessing
import platform
import resource
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmcv.cnn import NonLocal2d
from mmengine.registry import init_default_scope
from torch import nn

from mmpose_ext.models.layers import GaussianNonLocal2d

from .contestants import Contestant
from .networks import build_network, random_images, tensors_in
from .rows import Row, make_rows
from .timing import synchronizer, take_turns, timed

PARTS = ('attention-block', 'step-memory')
BLOCKS = ('GaussianNonLocal2d', "mmcv's NonLocal2d")
PASSES = {'attention-block': 3, 'step-memory': 7}  # the first one does not count


def measure_in_processes(
    part: str,
    contestants: Sequence[Contestant],
    config: str,
    runs: int,
    batch: int,
    device: str,
) -> list[Row]:
    """Measure forward passes, backward passes and Adam steps of blocks or of whole networks.

    'attention-block' compares the non-local block after C2 of the config's network with mmcv's,
    with the same settings. 'step-memory' compares the networks of the config and its peers, without
    targets: the mean of the squared outputs replaces the loss. On a CPU, the memory is the growth
    of the process (resident set) from before the first forward pass to its peak. On a GPU, it is
    the growth of the allocator's memory to its peak.

    Args:
        part (str): One of PARTS.
        contestants (Sequence[Contestant]): The contestants, with the config's first.
        config (str): The config's name in the rows.
        runs (int): Number of processes per contestant.
        batch (int): Images per batch.
        device (str): Torch device.

    Returns:
        list[Row]: Times in ms and memory in MiB. Each run's time is the median in its process.
    """
    jobs: dict[str, tuple] = {}
    if part == 'attention-block':
        jobs = {block: (part, block, contestants[0], batch, device) for block in BLOCKS}
    else:
        networks = [c for c in contestants if c.model is not None and not c.shares]
        jobs = {c.name: (part, c.name, c, batch, device) for c in networks}
    measures = {name: _in_process(job) for name, job in jobs.items()}
    results = take_turns(measures, runs, warmup=0)
    seconds = {name: [result[0] for result in values] for name, values in results.items()}
    memory = {name: [result[1] for result in values] for name, values in results.items()}
    w, h = contestants[0].input_size
    what = f'{"C2 block" if part == "attention-block" else "step"}, {h}x{w}'
    return [
        *make_rows(seconds, part, config, what, 'ms', batch),
        *make_rows(memory, part, config, f'{what}, memory', 'MiB', batch),
    ]


def measure_once(
    part: str, name: str, contestant: Contestant, batch: int, device: str
) -> tuple[float, float]:
    """Return the median seconds of the passes after the first, and the memory in MiB."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
    if part == 'attention-block':
        channels, (w, h) = block_size(contestant)
        model = build_block(name, channels)
        inputs = (0.1 * torch.randn(batch, channels, h, w)).relu_().to(device).requires_grad_()
    else:
        model = build_network(contestant)
        inputs = random_images(contestant, batch, device)
    model = model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0)

    def step() -> None:
        out = getattr(model, '_forward', model)(inputs)
        sum(value.float().square().mean() for value in tensors_in(out)).backward()
        optimizer.step()
        optimizer.zero_grad()

    peak = memory_meter(device)
    measure = timed(step, synchronize=synchronizer(device))
    seconds = [measure() for _ in range(PASSES[part])]
    return statistics.median(seconds[1:]), peak()


def block_size(contestant: Contestant) -> tuple[int, tuple[int, int]]:
    """Return the channels and [w, h] of C2 of the contestant's ResNet."""
    backbone = (contestant.model or {}).get('backbone', {})
    expansion = 1 if backbone.get('depth', 50) < 50 else 4
    w, h = contestant.input_size
    return expansion * backbone.get('base_channels', 64), (w // 4, h // 4)


def build_block(name: str, channels: int) -> nn.Module:
    """Build a Gaussian non-local block, with its last scale (initially zero) set to one."""
    if name == BLOCKS[0]:
        block = GaussianNonLocal2d(channels)
    else:
        block = NonLocal2d(channels, mode='gaussian', norm_cfg=dict(type='BN'))
    nn.init.ones_(block.conv_out.bn.weight)
    return block


def memory_meter(device: str) -> Callable[[], float]:
    """Start to measure memory; return a function that gives its largest growth in MiB."""
    if torch.device(device).type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        return lambda: (torch.cuda.max_memory_allocated(device) - before) / 2**20
    import psutil

    before = psutil.Process().memory_info().rss
    try:  # a new process inherits the peak of its parent
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        pass
    return lambda: (_peak_bytes() - before) / 2**20


def _peak_bytes() -> int:
    """Return the largest resident set of this process."""
    status = Path('/proc/self/status')
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM:'):
                return int(line.split()[1]) * 1024
    unit = 1024 if platform.system() == 'Linux' else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _in_process(job: tuple) -> Callable[[], tuple[float, float]]:
    """Return :func:`measure_once` in a new process, with as many threads as this one."""

    def measure() -> tuple[float, float]:
        context = multiprocessing.get_context('spawn')
        with context.Pool(1, torch.set_num_threads, (torch.get_num_threads(),)) as pool:
            return pool.apply(measure_once, job)

    return measure
