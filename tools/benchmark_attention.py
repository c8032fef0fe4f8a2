# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure the non-local block after C2 against mmcv's, and a training step against the baseline's.

Usage: python tools/benchmark_attention.py [--device cpu] [--batch 8] [--step-batch 2] [--runs 3]

Each measurement runs in a process of its own, ours and the peer's in turn; the table gives
medians and the median of the ratios pair by pair. On a CPU the memory is the growth of the
process (resident set) from before the first forward pass to its peak; on a GPU what the allocator
held at most.
"""

import argparse
import multiprocessing
import platform
import resource
import statistics
import time
from pathlib import Path

import torch
from torch import nn

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
C2_SIZES = {'256x192': (64, 48), '384x288': (96, 72)}


def build_block(ours: bool) -> nn.Module:
    """The block after C2 of ResNet-50 (256 channels), W_z not zero."""
    if ours:
        from mmpose_ext.models.layers import GaussianNonLocal2d

        block = GaussianNonLocal2d(256)
    else:
        from mmcv.cnn import NonLocal2d

        block = NonLocal2d(256, mode='gaussian', norm_cfg=dict(type='BN'))
    nn.init.ones_(block.conv_out.bn.weight)
    return block


def build_network(name: str) -> nn.Module:
    """A config's estimator, from scratch."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    import mmpose_ext  # noqa: F401  registers the components

    init_default_scope('mmpose')
    cfg = Config.fromfile(CONFIGS / f'{name}.py').model
    cfg.backbone.pop('init_cfg', None)
    return MODELS.build(cfg)


def measure(kind: str, name: str, size: str, batch: int, device: str) -> dict[str, float]:
    """Seconds and megabytes of a forward and backward pass: the median of some after the first.

    Args:
        kind (str): 'block' (name 'ours' or 'mmcv') or 'step' (name of a config; with Adam).
        name (str): see ``kind``.
        size (str): 'HxW' of the network's input.
        batch (int): images.
        device (str): torch device.
    """
    torch.manual_seed(0)
    if kind == 'block':
        model, shape = build_block(name == 'ours'), (batch, 256, *C2_SIZES[size])
    else:
        model, shape = build_network(name), (batch, 3, *map(int, size.split('x')))
    model = model.to(device).train()
    inputs = (0.1 * torch.randn(shape)).relu_().to(device).requires_grad_(kind == 'block')
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0)
    cuda = device.startswith('cuda')
    unit = 1024 if platform.system() == 'Linux' else 1
    before = current_memory() if not cuda else torch.cuda.memory_allocated()
    seconds = []
    for _ in range(3 if kind == 'block' else 7):
        started = time.perf_counter()
        out = getattr(model, '_forward', model)(inputs)
        out.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    peak = (
        torch.cuda.max_memory_allocated()
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    )
    return dict(seconds=statistics.median(seconds[1:]), megabytes=(peak - before) / 2**20)


def current_memory() -> int:
    """Resident set of this process in bytes."""
    import psutil

    return psutil.Process().memory_info().rss


def in_process(arguments: tuple) -> dict[str, float]:
    """:func:`measure` in a fresh process."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(measure, arguments)


def compare(kind: str, names: tuple[str, str], size: str, batch: int, device: str, runs: int):
    """Print one row: medians of both and the median of the ratios."""
    rows = [[in_process((kind, name, size, batch, device)) for name in names] for _ in range(runs)]

    def median(which: int, key: str) -> float:
        return statistics.median(row[which][key] for row in rows)

    def ratio(key: str) -> float:
        return statistics.median(row[0][key] / row[1][key] for row in rows)

    label = f'C2 block, {size}, batch {batch}' if kind == 'block' else f'step, {size}, {batch}'
    print(
        f'| {label} | {median(0, "seconds"):.2f} | {median(1, "seconds"):.2f} '
        f'| {ratio("seconds"):.2f} | {median(0, "megabytes"):.0f} '
        f'| {median(1, "megabytes"):.0f} | {ratio("megabytes"):.2f} |',
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help='torch device')
    parser.add_argument('--batch', type=int, default=8, help='images for the block')
    parser.add_argument('--step-batch', type=int, default=2, help='images for the training step')
    parser.add_argument('--runs', type=int, default=3, help='pairs of processes a row')
    parser.add_argument('--only', choices=('block', 'step'), help='half of the table')
    args = parser.parse_args()
    print(f'torch {torch.__version__}, {torch.get_num_threads()} threads, {args.device}')
    print('| what | ours s | peer s | ratio | ours MB | peer MB | ratio |')
    print('| --- | --- | --- | --- | --- | --- | --- |')
    for size in C2_SIZES if args.only != 'step' else ():
        compare('block', ('ours', 'mmcv'), size, args.batch, args.device, args.runs)
    for size in C2_SIZES if args.only != 'block' else ():
        names = (f'attention_resnet50_{size}', f'simplebaseline_resnet50_{size}')
        compare('step', names, size, args.step_batch, args.device, args.runs)


if __name__ == '__main__':
    main()
