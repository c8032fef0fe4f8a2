# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure full-resolution targets: loading, training step and decoding, beside mmpose's codecs.

Usage: python tools/benchmark_fullres.py [--runs 3] [--device cpu] [--threads 1]
           [--ann train.json --images FOLDER]

At 256x192 and 384x288, each peer in its turn within each run; the tables give medians, and medians
over the runs of the ratio to FullResolutionHeatmap drawn on the device in the same run.
"Loader" is samples a second out of the data loader with the COCO training pipeline (batch 16), and
bytes a sample from worker to model: the pickled sample, image included, and the targets alone.
"Step" is forward pass, loss, backward pass and Adam of FR-SBN-ResNet-34 with SA-MFCD. "Decode" is
64 crops from maps on the device to coordinates on the CPU. Without --ann the images are 96
synthetic ones of 640x480. Prints Markdown.
"""

import argparse
import contextlib
import itertools
import os
import pickle
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmark_clnet import in_turns, ratio
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS, KEYPOINT_CODECS, MODELS
from torch import Tensor

import mmpose_ext  # noqa: F401  registers the components

CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
SIGMAS = {(192, 256): 8, (288, 384): 12}
OURS, QUARTER = 'FullResolutionHeatmap, device', 'MSRAHeatmap, quarter size (SimpleBaseline)'
CROPS, KEYPOINTS, BATCH = 64, 17, 16
Timings = dict[str, list[float]]


def encoders(size: tuple[int, int]) -> dict[str, dict]:
    """Configs of the codecs that make the training targets."""
    sigma, quarter = SIGMAS[size], (size[0] // 4, size[1] // 4)
    common = dict(input_size=size, heatmap_size=size, sigma=sigma)
    ours = dict(type='FullResolutionHeatmap', input_size=size, sigma=sigma)
    return {
        OURS: dict(ours, draw_on_device=True),
        'FullResolutionHeatmap, worker': ours,
        'MSRAHeatmap': dict(common, type='MSRAHeatmap'),
        'MSRAHeatmap, unbiased': dict(common, type='MSRAHeatmap', unbiased=True),
        'UDPHeatmap': dict(common, type='UDPHeatmap'),
        QUARTER: dict(common, type='MSRAHeatmap', heatmap_size=quarter, sigma=sigma / 4),
    }


def build_dataset(encoder: dict, ann: str, images: str) -> torch.utils.data.Dataset:
    """The given images under the configs' COCO training pipeline."""
    cfg = Config.fromfile(CONFIGS / '_base_' / 'coco_topdown.py')
    pipeline = [
        *cfg.augmentation,
        dict(type='TopdownAffine', input_size=encoder['input_size']),
        dict(type='GenerateTarget', encoder=encoder),
        dict(type='PackPoseInputs'),
    ]
    dataset = dict(type='CocoDataset', ann_file=ann, data_prefix=dict(img=images))
    with contextlib.redirect_stdout(None):
        return DATASETS.build(dict(dataset, data_mode='topdown', pipeline=pipeline))


def seconds_a_sample(dataset: torch.utils.data.Dataset, workers: int, batches: int) -> float:
    """Time between samples once the workers have used up their head start."""
    sampler = dict(type='InfiniteSampler', shuffle=True, seed=0)
    cfg = dict(batch_size=BATCH, num_workers=workers, sampler=sampler, dataset=dataset)
    batch_iterator = iter(Runner.build_dataloader(cfg))
    for _ in range(2 * workers + 2):
        next(batch_iterator)
    start = time.perf_counter()
    for _ in range(batches):
        next(batch_iterator)
    return (time.perf_counter() - start) / (batches * BATCH)


def target_bytes(sample: object) -> int:
    """Bytes of the tensors that the codec packed into a data sample."""
    held = [sample.gt_instance_labels, *([sample.gt_fields] if 'gt_fields' in sample else [])]
    values = itertools.chain.from_iterable(data.values() for data in held)
    return sum(value.nbytes for value in values if isinstance(value, Tensor))


def loader_table(size: tuple[int, int], runs: int, batches: int, ann: str, images: str) -> None:
    peers = {n: cfg for n, cfg in encoders(size).items() if n != 'MSRAHeatmap, unbiased'}
    datasets = {name: build_dataset(encoder, ann, images) for name, encoder in peers.items()}
    timings = {workers: {name: [] for name in peers} for workers in (1, 2)}
    for _, workers, name in itertools.product(range(runs), timings, peers):
        timings[workers][name].append(seconds_a_sample(datasets[name], workers, batches))
    print(
        '| loader | 1 worker, samples/s | ours is | 2 workers, samples/s | ours is '
        '| bytes a sample | of these targets |\n| --- | --- | --- | --- | --- | --- | --- |'
    )
    for name in peers:
        item = datasets[name][0]
        sizes = len(pickle.dumps(item)), target_bytes(item['data_samples'])
        cells = [name]
        for by_name in timings.values():
            cells.append(f'{1 / statistics.median(by_name[name]):.0f}')
            cells.append(f'{ratio(by_name, name, OURS):.2f} x')
        print('| ' + ' | '.join([*cells, *(f'{value:,}' for value in sizes)]) + ' |')


def step_call(
    model: torch.nn.Module, encoder: dict, batch: int, device: str
) -> tuple[Callable[[], None], Callable[[], object]]:
    """A training step with targets as this encoder gives them, and their drawing or stacking."""
    from mmpose.datasets.transforms import GenerateTarget, PackPoseInputs

    w, h = encoder['input_size']
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(batch):
        person = dict(
            img=np.zeros((h, w, 3), np.uint8),
            transformed_keypoints=rng.uniform(0, w, (1, KEYPOINTS, 2)).astype(np.float32),
            keypoints_visible=np.ones((1, KEYPOINTS), np.float32),
            dataset_keypoint_weights=np.ones((1, KEYPOINTS), np.float32),
        )
        samples.append(PackPoseInputs()(GenerateTarget(encoder=encoder)(person))['data_samples'])
    images = torch.randn(batch, 3, h, w, device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)

    def step() -> None:
        model.zero_grad()
        loss = model.loss(images, samples)['loss_kpt']
        loss.backward()
        optimizer.step()
        loss.item()

    def targets() -> float:
        return model.head.decoder.targets(samples, device)['heatmaps'][-1, -1, -1, -1].item()

    return step, targets


def step_table(size: tuple[int, int], runs: int, batch: int, device: str) -> None:
    init_default_scope('mmpose')
    cfg = Config.fromfile(CONFIGS / f'frsbn_resnet34_{size[1]}x{size[0]}.py').model
    cfg.backbone.init_cfg = None
    model = MODELS.build(cfg).to(device)
    model.train()
    peers = {name: encoders(size)[name] for name in (OURS, 'MSRAHeatmap', 'UDPHeatmap')}
    steps, targets = {}, {}
    for name, encoder in peers.items():
        steps[name], targets[name] = step_call(model, encoder, batch, device)
    timings, target_timings = in_turns(steps, runs, 1), in_turns(targets, max(runs, 5), 3)
    print(
        f'| step, batch {batch} | s | targets drawn or stacked, ms | of the step |\n'
        '| --- | --- | --- | --- |'
    )
    for name in steps:
        step, target = statistics.median(timings[name]), statistics.median(target_timings[name])
        print(f'| {name} | {step:.3f} | {1e3 * target:.2f} | {100 * target / step:.2f} % |')


def decode_call(codec: object, maps: Tensor) -> Callable[[], None]:
    """64 crops' decoding, as mmpose's BaseHead.decode does it."""

    def decode() -> None:
        if codec.support_batch_decoding:
            codec.batch_decode(maps)
        else:
            for crop in maps.detach().cpu().numpy():
                codec.decode(crop)

    return decode


def decode_table(size: tuple[int, int], runs: int, device: str) -> None:
    sigma = SIGMAS[size]
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(CROPS, 1, KEYPOINTS, 2, generator=generator) * (torch.tensor(size) - 1)
    matched = 2 * round((sigma - 0.8) / 0.3 + 1) + 1  # mmpose's rule for the kernel of a sigma
    configs = {name: cfg for name, cfg in encoders(size).items() if name not in (QUARTER,)}
    configs.pop('FullResolutionHeatmap, worker')
    for name in ('MSRAHeatmap, unbiased', 'UDPHeatmap'):
        configs[f'{name}, kernel {matched}'] = dict(configs[name], blur_kernel_size=matched)
    codecs = {name: KEYPOINT_CODECS.build(cfg) for name, cfg in configs.items()}
    maps = codecs[OURS].draw(points, torch.ones(CROPS, 1, KEYPOINTS))['heatmaps']
    maps += 0.01 * torch.randn(maps.shape, generator=generator)
    maps = maps.to(device)
    calls = {name: decode_call(codec, maps) for name, codec in codecs.items()}
    timings = in_turns(calls, runs, 1)
    print('| decode 64 | ms | times ours |\n| --- | --- | --- |')
    for name in codecs:
        milliseconds = 1e3 * statistics.median(timings[name])
        print(f'| {name} | {milliseconds:.1f} | {ratio(timings, name, OURS):.1f} |')


def synthetic_images(folder: str) -> tuple[str, str]:
    """Write a small set; give its annotation file and image folder."""
    from mmpose_ext.datasets.synthetic import generate

    out = generate(Path(folder) / 'set', dict(train=96), image_size=(640, 480), progress=False)
    return str(out / 'annotations' / 'person_keypoints_train.json'), str(out / 'train')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--batches', type=int, default=10, help='batches of 16 a loader and run')
    parser.add_argument('--step-batch', type=int, default=1, help='samples a training step')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1, help="of torch in the model's process")
    parser.add_argument('--ann', help='annotation file of COCO format')
    parser.add_argument('--images', help="folder of its images' file names")
    parser.add_argument('--only', nargs='+', default=('loader', 'step', 'decode'))
    parser.add_argument('--sizes', nargs='+', default=('256x192', '384x288'))
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(args.threads)
    init_default_scope('mmpose')
    print(
        f'torch {torch.__version__}, {platform.processor() or platform.machine()}, '
        f'{os.cpu_count()} cores, {args.threads} thread(s), {args.device}'
    )
    with tempfile.TemporaryDirectory() as folder:
        ann, images = args.ann, args.images
        if ann is None and 'loader' in args.only:
            ann, images = synthetic_images(folder)
        for size in SIGMAS:
            if f'{size[1]}x{size[0]}' not in args.sizes:
                continue
            print(f'\n### {size[1]}x{size[0]}\n', flush=True)
            if 'loader' in args.only:
                loader_table(size, args.runs, args.batches, ann, images)
            if 'decode' in args.only:
                print()
                decode_table(size, args.runs, args.device)
            if 'step' in args.only:
                print()
                step_table(size, args.runs, args.step_batch, args.device)


if __name__ == '__main__':
    main()
