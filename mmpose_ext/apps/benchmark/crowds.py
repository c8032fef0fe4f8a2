# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Compare bottom-up codecs with AssociativeEmbedding for different numbers of people."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Callable, Dict

import numpy as np
import torch
from mmpose.codecs import AssociativeEmbedding
from mmpose.codecs.utils import batch_heatmap_nms
from mmpose.utils.tensor_utils import to_numpy
from torch.nn.functional import interpolate

from mmpose_ext.apps.shared.configs import build_codec
from mmpose_ext.codecs.cluster_tag.decoding import DeviceMaps
from mmpose_ext.codecs.cluster_tag.peaks import top_peaks
from mmpose_ext.utils.maps import Maps
from mmpose_ext.utils.sequences import zip_equal

from .codecs import add_noise, decode_call, network_map_size
from .contestants import Contestant, unfit_config
from .noise_errors import TAG_STEP
from .peers import ORDER
from .people import people_in_squares, standing_people
from .rows import Row, make_rows
from .samples import build_worker_codec, person_masks
from .timing import CLOCKS, WALL, take_turns, timed

Calls = Dict[str, Callable[[], Any]]
THEIRS = 'AssociativeEmbedding'
KEYPOINTS = 17


def measure_crowds(
    ours: Contestant,
    config: str,
    people: Sequence[int],
    runs: int,
    images: int,
    noise: float,
    clock: str = WALL,
) -> list[Row]:
    """Measure encoding and decoding on the CPU for different numbers of people.

    For a DiskOffset config, the people stand. The function times decoding of maps at the network's
    and at the input's resolution, of AssociativeEmbedding's maps at stride 4 and at the input's
    size (mmpose's ``restore_heatmap_size``), and encoding with given masks. It also counts the
    people found.

    For a ClusterTag config, it uses ``images`` images for each number, with people in squares. A
    seventh of the keypoints is below the threshold and has to be filled in. 'grouping' is what
    follows the peaks, without refinement. 'located' is the share of the people who are found with
    every keypoint within a cell and a half.

    Args:
        ours (Contestant): A bottom-up config with one of these codecs and 17 keypoints.
        config (str): Name of the config in the rows.
        people (Sequence[int]): Numbers of people.
        runs (int): Number of turns.
        images (int): Number of images for each number of people (ClusterTag).
        noise (float): Noise of DiskOffset's offsets in input pixels; see
            :func:`.codecs.add_noise`.
        clock (str): See :data:`.timing.CLOCKS`. Defaults to 'wall'.

    Raises:
        ValueError: If the config has another codec or other keypoints.
    """
    make = {'DiskOffset': disk_offset_calls, 'ClusterTag': cluster_tag_calls}
    kind = ours.decoder_cfg['type']
    if kind not in make or ours.metainfo['num_keypoints'] != KEYPOINTS:
        raise unfit_config('people', make, KEYPOINTS, kind, ours.metainfo['num_keypoints'])
    images = images if kind == 'ClusterTag' else 1
    rows = []
    for number in people:
        case = f'{number} ' + ('person' if number == 1 else 'people')
        calls, facts = make[kind](ours, number, images, noise)
        for measure, (values, unit) in facts.items():
            rows += make_rows(values, 'people', config, measure, unit, images, case)
        for measure, by_name in calls.items():
            timers = {name: timed(call, CLOCKS[clock]) for name, call in by_name.items()}
            timings = take_turns(timers, runs, warmup=2)
            rows += make_rows(timings, 'people', config, measure, 'ms per sample', images, case)
    return rows


def disk_offset_calls(
    ours: Contestant, number: int, images: int, noise: float
) -> tuple[dict[str, Calls], Mapping]:
    """Return the calls to measure for StrongPose, and the numbers of people found."""
    size, network = ours.input_size, network_map_size(ours)
    stride_4 = (-(-size[0] // 4), -(-size[1] // 4))
    points = standing_people(size, number, np.random.default_rng(number))
    settings = {k: v for k, v in ours.decoder_cfg.items() if k != 'draw_on_device'}
    codec = build_codec(dict(settings, map_size=network))
    encoded = codec.encode(points)
    maps = {name: torch.from_numpy(encoded[name])[None] for name in codec.decoded_names}
    maps = noisy(maps, noise, number)
    resized = {
        name: interpolate(value, size[::-1], mode='bilinear', align_corners=True)
        for name, value in maps.items()
    }
    small, full = (associative_embedding(size, cells) for cells in (stride_4, size))
    theirs = tagged_maps(small, points, noise)
    large = {k: interpolate(v, size[::-1], mode='bilinear') for k, v in theirs.items()}
    decoders = {
        f'DiskOffset, {_by(network)}': decode_call(codec, maps),
        f'DiskOffset, {_by(size)}': decode_call(codec, resized),
        f'{THEIRS}, {_by(stride_4)}': decode_call(small, theirs),
        f'{THEIRS}, {_by(size)}': decode_call(full, large),
    }
    found = {name: [float(len(call()[0]))] for name, call in decoders.items()}
    return dict(
        decode=decoders, encode=disk_offset_encoders(settings, points, [network, stride_4, size])
    ), dict(found=(found, 'people'))


def noisy(maps: Maps, noise: float, seed: int) -> Maps:
    """Return maps with noise, in which heatmaps remain probabilities."""
    return {
        name: value if name.endswith('offsets') else value.clamp(0, 1)
        for name, value in add_noise(maps, noise, seed).items()
    }


def disk_offset_encoders(settings: dict, points: np.ndarray, sizes: Sequence) -> Calls:
    """Return calls that encode with given masks at several map sizes, and the last undrawn too."""
    visible = np.ones(points.shape[:2], np.float32)
    calls, size = {}, settings['input_size']

    def add(name: str, codec: Any, masks: dict) -> None:
        calls[name] = lambda: codec.encode(points, visible, **masks)

    for cells in sizes:
        cfg = dict(settings, map_size=cells)
        masks = person_masks(cfg, points)
        add(f'DiskOffset, {_by(cells)}', build_worker_codec(cfg), masks)
    device = build_codec(dict(cfg, draw_on_device=True))
    add(f'DiskOffset, {_by(cells)}, worker with draw_on_device', device, masks)
    add(f'{THEIRS}, {_by(sizes[1])}', AssociativeEmbedding(size, sizes[1]), {})
    return calls


def associative_embedding(size: tuple[int, int], cells: tuple[int, int]) -> AssociativeEmbedding:
    """Build mmpose's codec for COCO with a given map size."""
    return AssociativeEmbedding(
        size, cells, decode_keypoint_order=ORDER, decode_max_instances=30, sigma=2
    )


def tagged_maps(codec: AssociativeEmbedding, points: np.ndarray, noise: float) -> Maps:
    """Return heatmaps, and tags that are the number of the nearest person at each cell."""
    heatmaps = torch.from_numpy(codec.encode(points, np.ones(points.shape[:2]))['heatmaps'])[None]
    cells = np.stack(np.meshgrid(*(np.arange(n) * 4.0 for n in codec.heatmap_size)), -1)
    distance = np.square(cells[None, None] - points[:, :, None, None]).sum(-1)
    tags = torch.from_numpy(distance.argmin(0).astype(np.float32))[None]
    heatmaps = noisy(dict(heatmaps=heatmaps), noise, 0)['heatmaps']
    generator = torch.Generator().manual_seed(1)
    tags = tags + 0.05 * noise * torch.randn(tags.shape, generator=generator)
    return dict(heatmaps=heatmaps, tags=tags)


def cluster_tag_calls(
    ours: Contestant, number: int, images: int, _noise: float
) -> tuple[dict[str, Calls], Mapping]:
    """Return the calls to measure for the cluster-wise network, and the share of equal people."""
    rng = np.random.default_rng(number)
    size = ours.input_size
    settings = {k: v for k, v in ours.decoder_cfg.items() if k != 'draw_on_device'}
    codec = build_codec(settings)
    if codec.num_clusters == KEYPOINTS:
        settings['order'] = ORDER
        codec = build_codec(settings)
    rough = build_codec(dict(settings, refine=False))
    theirs = AssociativeEmbedding(
        size,
        codec.heatmap_size,
        sigma=codec.sigma,
        use_udp=True,
        decode_keypoint_order=ORDER,
        decode_topk=30,
        decode_max_instances=30,
    )
    people = [people_in_squares(size, number, KEYPOINTS, rng) for _ in range(images)]
    maps = [incomplete_maps(rng, codec, persons) for persons in people]
    visible = np.ones((number, KEYPOINTS), np.float32)
    grouping = dict(
        ClusterTag=_each([our_grouping(rough, m) for m in maps]),
        **{THEIRS: _each([their_grouping(theirs, m) for m in maps])},
    )
    decode: dict[str, Callable[[], Any]] = {}
    encode: dict[str, Callable[[], Any]] = {}
    for name, one in (('ClusterTag', codec), (THEIRS, theirs)):
        decode[name] = _each([decode_call(one, m) for m in maps])
        encode[name] = _each([partial(one.encode, persons, visible) for persons in people])
    cell = size[0] / codec.heatmap_size[0]
    located = {}
    for name, call in decode.items():
        located[name] = [share_located(people, [found[0] for found in call()], 1.5 * cell)]
    return dict(grouping=grouping, decode=decode, encode=encode), dict(located=(located, 'of 1'))


def incomplete_maps(rng: np.random.Generator, codec: Any, people: np.ndarray) -> Maps:
    """Return maps (1, K, h, w) in which one keypoint in seven is too weak to be a peak.

    Tags are 8 apart and spread by 0.1; weak peaks are 0.08 high; the noise is 0.005.
    """
    number = len(people)
    has_peak = (rng.random((number, KEYPOINTS)) < 6 / 7).astype(np.float32)
    heatmaps = codec.encode(people, has_peak)['heatmaps']
    heatmaps = np.maximum(heatmaps, 0.08 * codec.encode(people, 1 - has_peak)['heatmaps'])
    heatmaps += np.abs(rng.normal(0, 0.005, heatmaps.shape)).astype(np.float32)
    (w, h), (width, height) = codec.heatmap_size, codec.input_size
    y, x = np.mgrid[:h, :w]
    x, y = (x + 0.5) * (width / w) - 0.5, (y + 0.5) * (height / h) - 0.5
    tags = np.empty_like(heatmaps)
    references = rng.permutation(number) * TAG_STEP
    own = references[:, None] + rng.normal(0, 0.1, (number, KEYPOINTS))
    for k in range(KEYPOINTS):
        distance = (people[:, k, 0, None, None] - x) ** 2 + (people[:, k, 1, None, None] - y) ** 2
        tags[k] = own[:, k][distance.argmin(0)]
    return dict(heatmaps=torch.from_numpy(heatmaps)[None], tags=torch.from_numpy(tags)[None])


def their_grouping(codec: AssociativeEmbedding, maps: Maps) -> Callable[[], list]:
    """Return a function that runs mmpose's steps from the peaks to the people."""
    at_peaks = batch_heatmap_nms(maps['heatmaps'], codec.decode_nms_kernel)
    peaks = to_numpy(codec._get_batch_topk(at_peaks, maps['tags'], k=codec.decode_topk))

    def group() -> list:
        found = []
        groups = codec._group_keypoints(*peaks)
        images = zip_equal(groups, to_numpy(maps['heatmaps']), to_numpy(maps['tags']))
        for people, heatmaps, tags in images:
            points, scores = people[..., :-1], people[..., -1]
            found.append(codec._fill_missing_keypoints(points, scores, heatmaps, tags))
        return found

    return group


def our_grouping(codec: Any, maps: Maps) -> Callable[[], list]:
    """Return a function that runs ClusterTag's steps from the peaks to the people."""
    decoder = codec.decoder
    number, kernel = codec.settings.peaks_per_map, codec.settings.nms_kernel
    peaks = top_peaks(maps['heatmaps'], maps['tags'], number, kernel).numpy()
    reader = DeviceMaps(maps['heatmaps'], maps['tags'])

    def group() -> list:
        return decoder.people(peaks, reader)

    return group


def share_located(
    people: Sequence[np.ndarray], found: Sequence[np.ndarray], tolerance: float
) -> float:
    """Return the share of the people (N, K, 2) found with all keypoints in tolerance."""
    located = []
    for drawn, ours in zip_equal(people, found):
        distance = np.abs(drawn[:, None] - ours[None]).max((2, 3))
        located += (distance.min(1, initial=np.inf) < tolerance).tolist()
    return statistics.mean(located)


def _each(calls: Sequence[Callable]) -> Callable[[], list]:
    return lambda: [call() for call in calls]


def _by(size: Sequence[int]) -> str:
    return f'{size[0]}x{size[1]}'
