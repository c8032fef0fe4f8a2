# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Measure ClusterTag beside mmpose's AssociativeEmbedding, on the same people and the same maps.

Usage: python tools/benchmark_cluster_tag.py [--runs 15] [--images 4]

One CPU thread, 512x512 input, 128x128 maps, 17 clusters of one joint, 1 to 30 people an image. The
people stand apart; their tags are 4 apart and spread by 0.1 (standard deviation), one keypoint in
seven only has a peak of 0.08, below the threshold, so that it must be filled in, and noise of
0.005 lies on the heatmaps. Each peer
takes its turn within each run; the tables give medians, and medians over the runs of the ratio to
mmpose's time in the same run. "Grouping and filling in" is what follows the peaks, without
refinement; "decoding" is the whole way from maps to keypoints. "Same" is the share of mmpose's
people that ours has with every keypoint within one cell and a half (6 px). Prints Markdown.
"""

import argparse
import statistics
import warnings

import numpy as np
import torch
from benchmark_clnet import in_turns, ratio
from mmengine.registry import init_default_scope
from mmpose.codecs.utils import batch_heatmap_nms
from mmpose.registry import KEYPOINT_CODECS
from mmpose.utils.tensor_utils import to_numpy

import mmpose_ext  # noqa: F401  registers the components
from mmpose_ext.codecs.cluster_tag_peaks import top_peaks

INPUT, MAPS, KEYPOINTS, KERNEL = (512, 512), (128, 128), 17, 3
PEOPLE = (1, 5, 10, 20, 30)
THEIRS, OURS = 'AssociativeEmbedding', 'ClusterTag'
ORDER = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
COMMON = dict(input_size=INPUT, heatmap_size=MAPS, sigma=2)
SETTINGS = {
    THEIRS: dict(
        COMMON,
        type=THEIRS,
        use_udp=True,
        decode_keypoint_order=ORDER,
        decode_nms_kernel=KERNEL,
        decode_topk=30,
        decode_max_instances=30,
    ),
    OURS: dict(COMMON, type=OURS, clusters=17, nms_kernel=KERNEL, order=ORDER),
}


def make_people(rng: np.random.Generator, number: int) -> np.ndarray:
    """People (N, K, 2) in input pixels: a random pose each, in one of 6x6 squares."""
    squares = rng.permutation(36)[:number]
    corners = np.stack([squares % 6, squares // 6], -1) * 85.0
    return (corners[:, None] + rng.uniform(4, 81, (number, KEYPOINTS, 2))).astype(np.float32)


def make_maps(rng: np.random.Generator, codec, people: np.ndarray) -> dict[str, torch.Tensor]:
    """Maps (1, K, h, w) of an image as the module's description says."""
    number = len(people)
    has_peak = (rng.random((number, KEYPOINTS)) < 6 / 7).astype(np.float32)
    heatmaps = codec.encode(people, has_peak)['heatmaps']
    heatmaps = np.maximum(heatmaps, 0.08 * codec.encode(people, 1 - has_peak)['heatmaps'])
    heatmaps += np.abs(rng.normal(0, 0.005, heatmaps.shape)).astype(np.float32)
    y, x = np.mgrid[: MAPS[1], : MAPS[0]] * 4 + 1.5
    tags = np.empty_like(heatmaps)
    references = rng.permutation(number) * 4.0
    own = references[:, None] + rng.normal(0, 0.1, (number, KEYPOINTS))
    for k in range(KEYPOINTS):
        distance = (people[:, k, 0, None, None] - x) ** 2 + (people[:, k, 1, None, None] - y) ** 2
        tags[k] = own[:, k][distance.argmin(0)]
    return dict(heatmaps=torch.from_numpy(heatmaps)[None], tags=torch.from_numpy(tags)[None])


def their_grouping(codec, maps: dict[str, torch.Tensor]):
    """mmpose's steps from the peaks to the people, as a function."""
    at_peaks = batch_heatmap_nms(maps['heatmaps'], KERNEL)
    peaks = to_numpy(codec._get_batch_topk(at_peaks, maps['tags'], k=codec.decode_topk))

    def group() -> list:
        found = []
        groups = codec._group_keypoints(*peaks)
        images = zip(groups, to_numpy(maps['heatmaps']), to_numpy(maps['tags']), strict=True)
        for people, heatmaps, tags in images:
            points, scores = people[..., :-1], people[..., -1]
            found.append(codec._fill_missing_keypoints(points, scores, heatmaps, tags))
        return found

    return group


def our_grouping(codec, maps: dict[str, torch.Tensor]):
    """The same of ClusterTag."""
    decoder = codec.decoder
    cells, values = top_peaks(maps['heatmaps'], maps['tags'], decoder.max_people, KERNEL)
    peaks = torch.cat([values, cells[..., None]], -1).numpy()

    def group() -> list:
        people = [decoder.find_people(*np.moveaxis(image, -1, 0)) for image in peaks]
        return decoder.complete(maps['heatmaps'], maps['tags'], people)

    return group


def decode(codec, maps: dict[str, torch.Tensor]) -> np.ndarray:
    """One image's keypoints (N, K, 2), from a copy of the maps, in which mmpose's codec writes."""
    return codec.batch_decode(*(value.clone() for value in maps.values()))[0][0]


def share_of_same(theirs: list[np.ndarray], ours: list[np.ndarray]) -> float:
    """The share of mmpose's people whose keypoints ours has, each within 6 px."""
    same = []
    for expected, found in zip(theirs, ours, strict=True):
        distance = np.abs(expected[:, None] - found[None]).max((2, 3))
        same += (distance.min(1, initial=np.inf) < 6).tolist()
    return statistics.mean(same)


def row(number: int, images: int, runs: int) -> tuple[str, str]:
    """Rows of the tables of decoding and of encoding for one number of people."""
    rng = np.random.default_rng(number)
    codecs = {name: KEYPOINT_CODECS.build(cfg) for name, cfg in SETTINGS.items()}
    rough = KEYPOINT_CODECS.build(dict(SETTINGS[OURS], refine=False))
    people = [make_people(rng, number) for _ in range(images)]
    maps = [make_maps(rng, codecs[OURS], persons) for persons in people]
    visible = np.ones((number, KEYPOINTS), np.float32)

    def each(calls: list):
        return lambda: [call() for call in calls]

    grouping = {
        THEIRS: each([their_grouping(codecs[THEIRS], m) for m in maps]),
        OURS: each([our_grouping(rough, m) for m in maps]),
    }
    decoding, encoding = {}, {}
    for name, codec in codecs.items():
        decoding[name] = lambda c=codec: [decode(c, m) for m in maps]
        encoding[name] = lambda c=codec: [c.encode(persons, visible) for persons in people]
    same = share_of_same(decoding[THEIRS](), decoding[OURS]())
    cells = [f'| {number} | {same:.1%}']
    for calls in (grouping, decoding, encoding):
        timings = in_turns(calls, runs, 1)
        theirs, ours = (statistics.median(timings[n]) / images * 1e3 for n in (THEIRS, OURS))
        cells.append(f'{theirs:.2f} | {ours:.2f} | {ratio(timings, OURS, THEIRS):.2f}')
    return ' | '.join(cells) + ' |'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--runs', type=int, default=15)
    parser.add_argument('--images', type=int, default=4, help='images a number of people')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    init_default_scope('mmpose')
    print(f'Milliseconds an image; left {THEIRS}, right {OURS}, and the ratio of their times.\n')
    print('| people | same | grouping, filling in | | | decoding | | | encoding | | |')
    print('| ---: ' * 11 + '|')
    for number in PEOPLE:
        print(row(number, args.images, args.runs), flush=True)


if __name__ == '__main__':
    main()
