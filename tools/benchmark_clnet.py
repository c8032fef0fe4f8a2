# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure composite localization beside mmpose's heatmap codecs and SimpleBaseline, in one run.

Usage: python tools/benchmark_clnet.py [--runs 15] [--forward-runs 7] [--batch 1]

One CPU thread, 256x192 input, 17 keypoints. In each run all peers take their turn, so that what
else the machine does meets them alike; the tables give medians, and the median over the runs of
the ratio to CLNet's time in the same run. "encode" is a sample's share of 64, from its keypoints to
its targets, in the worker or (as the configs here have it) on the model's device, for all at once;
"decode" is 64 crops from maps on the model's device to coordinates on the CPU. Prints Markdown.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import KEYPOINT_CODECS, MODELS

import mmpose_ext  # noqa: F401  registers the components
from mmpose_ext.evaluation.complexity import complexity_of_config

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
SIZE, KEYPOINTS, CROPS = (192, 256), 17, 64
OURS = 'CompositeLocalization'
CODECS = {
    OURS: dict(type=OURS, input_size=SIZE, stride=16, draw_on_device=True),
    f'{OURS}, drawn by the worker': dict(type=OURS, input_size=SIZE, stride=16),
    'MSRAHeatmap': dict(type='MSRAHeatmap', input_size=SIZE, heatmap_size=(48, 64), sigma=2),
    'MSRAHeatmap, unbiased': dict(
        type='MSRAHeatmap', input_size=SIZE, heatmap_size=(48, 64), sigma=2, unbiased=True
    ),
    'UDPHeatmap': dict(type='UDPHeatmap', input_size=SIZE, heatmap_size=(48, 64), sigma=2),
}
NETWORKS = {
    50: ('clnet_resnet50_256x192', 'simplebaseline_resnet50_256x192'),
}
Timings = dict[str, list[float]]


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Mean time of one call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def in_turns(calls: dict[str, Callable[[], object]], runs: int, repeats: int) -> Timings:
    """Seconds a call, peer by peer within each run, after one call each to warm up."""
    timings = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(runs):
        for name, call in calls.items():
            timings[name].append(seconds(call, repeats))
    return timings


def codec_calls(codec_cfg: dict) -> tuple[Callable, Callable]:
    """64 samples' encoding, up to the model's targets, and 64 crops' decoding, as mmpose does."""
    rng = np.random.default_rng(0)
    codec = KEYPOINT_CODECS.build(codec_cfg)
    visible = np.ones((1, KEYPOINTS), np.float32)
    people = (rng.uniform(0, 1, (CROPS, 1, KEYPOINTS, 2)) * (191, 255)).astype(np.float32)
    drawn = KEYPOINT_CODECS.build({k: v for k, v in codec_cfg.items() if k != 'draw_on_device'})
    encoded = [drawn.encode(person, visible) for person in people]
    names = [name for name in ('heatmaps', 'offsets') if name in encoded[0]]
    maps = [torch.from_numpy(np.stack([e[name] for e in encoded])) for name in names]

    def decode() -> None:  # as BaseHead.decode does
        if codec.support_batch_decoding:
            codec.batch_decode(*maps)
        else:
            for crop in maps[0].numpy():
                codec.decode(crop)

    def encode() -> None:
        samples = [codec.encode(person, visible) for person in people]
        if getattr(codec, 'draw_on_device', False):  # what the head adds to it, on its device
            points, weights = (
                torch.from_numpy(np.stack([sample[name] for sample in samples]))
                for name in ('target_keypoints', 'keypoint_weights')
            )
            codec.draw(points, weights)

    return encode, decode


def ratio(timings: Timings, name: str, base: str) -> float:
    """Median over the runs of one's time divided by another's in the same run."""
    pairs = zip(timings[name], timings[base], strict=True)
    return statistics.median(one / other for one, other in pairs)


def codec_table(runs: int) -> None:
    encode, decode = {}, {}
    for name, cfg in CODECS.items():
        encode[name], decode[name] = codec_calls(cfg)
    encode, decode = in_turns(encode, runs, 1), in_turns(decode, runs, 1)
    both = {
        name: [(e + d) / CROPS for e, d in zip(encode[name], decode[name], strict=True)]
        for name in CODECS
    }
    print('| codec | encode, us | decode 64, ms | both a sample, us | times CLNet |')
    print('| --- | --- | --- | --- | --- |')
    for name in CODECS:
        print(
            f'| {name} | {1e6 * statistics.median(encode[name]) / CROPS:.0f} '
            f'| {1e3 * statistics.median(decode[name]):.2f} '
            f'| {1e6 * statistics.median(both[name]):.0f} | {ratio(both, name, OURS):.1f} |'
        )


def build_network(name: str) -> torch.nn.Module:
    """A config's estimator with random weights."""
    cfg = Config.fromfile(CONFIGS / f'{name}.py').model
    cfg.backbone.init_cfg = None
    return MODELS.build(cfg).eval()


def forward_table(runs: int, batch: int) -> None:
    names = NETWORKS[50]
    image = torch.randn(batch, 3, SIZE[1], SIZE[0])
    calls = {}
    for name in names:
        network = build_network(name)
        calls[name] = lambda network=network: network(image, None, mode='tensor')
    with torch.no_grad():
        timings = in_turns(calls, runs, 1)
    print(f'| forward pass, batch {batch} | ms | GMACs, all | times SimpleBaseline | GMACs ratio |')
    print('| --- | --- | --- | --- | --- |')
    costs = {name: complexity_of_config(str(CONFIGS / f'{name}.py'))[0].gmacs for name in names}
    for name in names:
        print(
            f'| {name} | {1e3 * statistics.median(timings[name]):.0f} | {costs[name]:.2f} '
            f'| {ratio(timings, name, names[1]):.2f} | {costs[name] / costs[names[1]]:.2f} |'
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--runs', type=int, default=15, help='runs of the codecs')
    parser.add_argument('--forward-runs', type=int, default=7, help='runs of the networks')
    parser.add_argument('--batch', type=int, default=1, help='images a forward pass')
    args = parser.parse_args()
    torch.set_num_threads(1)
    init_default_scope('mmpose')
    print(f'torch {torch.__version__}, {platform.processor() or platform.machine()}, 1 thread\n')
    codec_table(args.runs)
    print()
    forward_table(args.forward_runs, args.batch)


if __name__ == '__main__':
    main()
