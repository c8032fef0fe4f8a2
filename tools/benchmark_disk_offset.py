# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure StrongPose's codec beside mmpose's AssociativeEmbedding, in one run.

Usage: python tools/benchmark_disk_offset.py [--runs 25] [--people 1 5 10 20 30] [--noise 2]

One CPU thread, one 401x401 image, 17 keypoints, the times of the thread itself (other processes of
a busy machine are not counted). In each run all peers take their turn; the tables give medians, and
the median over the runs of the ratio to our time in the same run. Both decode maps drawn from the
same people: ours at the network's resolution (51x51, stride 8) and resized to the input (as in the
paper); AssociativeEmbedding's at stride 4, and resized to the input (``restore_heatmap_size``, as
in mmpose's config). The maps are perfect but for noise, which spreads votes and makes weak maxima.
Prints Markdown.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmpose.codecs import AssociativeEmbedding
from torch.nn.functional import interpolate

from mmpose_ext.codecs import DiskOffset

SIZE, STRIDE_8, STRIDE_4, KEYPOINTS = (401, 401), (51, 51), (101, 101), 17
#: mmpose's order of grouping for COCO.
ORDER = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
#: A standing person, in units of its height: x, y from the head's middle.
STANDING = np.array(
    [[0, 0.05], [0.03, 0.03], [-0.03, 0.03], [0.06, 0.04], [-0.06, 0.04], [0.12, 0.18]]
    + [[-0.12, 0.18], [0.17, 0.33], [-0.17, 0.33], [0.18, 0.47], [-0.18, 0.47], [0.08, 0.5]]
    + [[-0.08, 0.5], [0.09, 0.73], [-0.09, 0.73], [0.1, 0.95], [-0.1, 0.95]]
)
OURS = 'DiskOffset, 51x51'


def crowd(people: int, rng: np.random.Generator) -> np.ndarray:
    """People (N, K, 2) on a jittered grid of the input, the smaller the more there are."""
    columns = int(np.ceil(np.sqrt(1.5 * people)))
    rows = int(np.ceil(people / columns))
    height = 0.85 * SIZE[1] / rows
    spots = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)[:people]
    corner = (spots + (0.5, 0.05)) * (SIZE[0] / columns, SIZE[1] / rows)
    corner += rng.uniform(-0.03, 0.03, corner.shape) * height
    limbs = rng.normal(0, 0.015, (people, KEYPOINTS, 2))
    points = corner[:, None] + (STANDING + limbs) * height
    return points.clip(0, np.array(SIZE) - 1).astype(np.float32)


def noisy(maps: dict[str, torch.Tensor], noise: float) -> dict[str, torch.Tensor]:
    """Add noise of a standard deviation in input pixels to offsets, a hundredth to the rest."""
    return {
        name: value + noise * torch.randn_like(value)
        if name.endswith('offsets')
        else (value + 0.01 * noise * torch.randn_like(value)).clamp(0, 1)
        for name, value in maps.items()
    }


def our_decoders(points: np.ndarray, noise: float) -> dict[str, Callable]:
    codec = DiskOffset(SIZE, STRIDE_8)
    encoded = codec.encode(points)
    maps = {name: torch.from_numpy(encoded[name])[None] for name in codec.decoded_names}
    maps = noisy(maps, noise)
    resized = {
        name: interpolate(value, SIZE[::-1], mode='bilinear', align_corners=True)
        for name, value in maps.items()
    }
    return {
        OURS: lambda: codec.batch_decode(maps),
        'DiskOffset, 401x401': lambda: codec.batch_decode(resized),
    }


def peer_decoders(points: np.ndarray, noise: float) -> dict[str, Callable]:
    def codec(size):
        return AssociativeEmbedding(
            SIZE, size, decode_keypoint_order=ORDER, decode_max_instances=30, sigma=2
        )

    visible = np.ones(points.shape[:2], np.float32)
    heatmaps = torch.from_numpy(codec(STRIDE_4).encode(points, visible)['heatmaps'])[None]
    heatmaps = noisy(dict(heatmaps=heatmaps), noise)['heatmaps']
    cells = np.stack(np.meshgrid(*(np.arange(n) * 4.0 for n in STRIDE_4)), -1)
    # each cell's tag is the number of the nearest person's keypoint of the kind
    distance = np.square(cells[None, None] - points[:, :, None, None]).sum(-1)
    tags = torch.from_numpy(distance.argmin(0).astype(np.float32))[None]
    tags = tags + 0.05 * noise * torch.randn_like(tags)
    large = [interpolate(m, SIZE[::-1], mode='bilinear') for m in (heatmaps, tags)]
    small, full = codec(STRIDE_4), codec(SIZE)
    return {
        'AssociativeEmbedding, 101x101': lambda: small.batch_decode(heatmaps, tags),
        'AssociativeEmbedding, 401x401': lambda: full.batch_decode(*large),
    }


def encoders(points: np.ndarray) -> dict[str, Callable]:
    visible = np.ones(points.shape[:2], np.float32)
    calls = {}
    for size in (STRIDE_8, STRIDE_4, SIZE):
        codec = DiskOffset(SIZE, size)
        drawn = codec.encode(points, visible)
        # as PersonMasks gives them
        images = dict(
            instance_map=drawn['body_heatmaps'][0].astype(np.uint8),
            loss_mask=drawn['loss_weights'][0].astype(np.uint8),
        )
        name = f'DiskOffset, {size[0]}x{size[1]}'
        calls[name] = lambda codec=codec, images=images: codec.encode(points, visible, **images)
    device = DiskOffset(SIZE, draw_on_device=True)
    calls['DiskOffset, 401x401, draw_on_device (worker)'] = lambda: device.encode(
        points, visible, **images
    )
    peer = AssociativeEmbedding(SIZE, STRIDE_4)
    calls['AssociativeEmbedding, 101x101'] = lambda: peer.encode(points, visible)
    return calls


def in_turns(calls: dict[str, Callable], runs: int) -> dict[str, list[float]]:
    """Milliseconds a call, peer by peer within each run, after two calls each to warm up."""
    timings = {name: [] for name in calls}
    for call in calls.values():
        call()
        call()
    for _ in range(runs):
        for name, call in calls.items():
            start = time.thread_time()
            call()
            timings[name].append(1e3 * (time.thread_time() - start))
    return timings


def ratio(timings: dict[str, list[float]], name: str, base: str) -> float:
    pairs = zip(timings[name], timings[base], strict=True)
    return statistics.median(one / max(other, 1e-6) for one, other in pairs)


def decoding_table(people: list[int], runs: int, noise: float) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    rows = []
    for number in people:
        points = crowd(number, rng)
        calls = {**our_decoders(points, noise), **peer_decoders(points, noise)}
        found = {name: len(call()[0][0]) for name, call in calls.items()}
        rows.append((number, found, in_turns(calls, runs)))
    names = list(rows[0][2])
    print(f'Decoding, noise {noise:g}: ms (people found; times {OURS})\n')
    print('| people | ' + ' | '.join(names) + ' |')
    print('| --- ' * (len(names) + 1) + '|')
    for number, found, timings in rows:
        cells = [
            f'{statistics.median(timings[name]):.1f} '
            f'({found[name]}; {ratio(timings, name, OURS):.2f})'
            for name in names
        ]
        print(f'| {number} | ' + ' | '.join(cells) + ' |')


def encoding_table(people: list[int], runs: int) -> None:
    rng = np.random.default_rng(0)
    rows = [(number, in_turns(encoders(crowd(number, rng)), runs)) for number in people]
    names = list(rows[0][1])
    print('\nEncoding, masks given: ms\n')
    print('| people | ' + ' | '.join(names) + ' |')
    print('| --- ' * (len(names) + 1) + '|')
    for number, timings in rows:
        cells = [f'{statistics.median(timings[name]):.2f}' for name in names]
        print(f'| {number} | ' + ' | '.join(cells) + ' |')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--runs', type=int, default=25)
    parser.add_argument('--people', type=int, nargs='+', default=[1, 5, 10, 20, 30])
    parser.add_argument(
        '--noise', type=float, default=2.0, help='of the offsets in input pixels; 0: perfect maps'
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    init_default_scope('mmpose')
    print(f'torch {torch.__version__}, 1 thread\n')
    decoding_table(args.people, args.runs, args.noise)
    encoding_table(args.people, max(3, args.runs // 3))


if __name__ == '__main__':
    main()
