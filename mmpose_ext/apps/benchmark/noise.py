# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decode perfect maps with errors of increasing strength by bottom-up codecs (part 'noise')."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmpose.codecs import AssociativeEmbedding

from mmpose_ext.apps.shared.configs import build_codec, with_options
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.maps import Maps

from .codecs import network_map_size
from .contestants import Contestant, unfit_config
from .noise_errors import TAG_STEP, NoisyMaps
from .noise_scenes import Scene, annotated_scenes, made_up_scenes
from .noise_scores import Found, score_people
from .peers import ORDER
from .rows import Row, make_rows
from .settings import Settings

PART = 'noise'
TRUTH = 'annotated'
#: The margin of mmpose's associative-embedding loss, which is exp(-d^2) between people.
PEERS_MARGIN = 0.5**0.5


@dataclass
class Source:
    """Maps of one kind and size, and the codecs that decode them.

    Attributes:
        draw (Callable): Draws the perfect maps (1, C, h, w) of a scene.
        decoders (dict[str, object]): Codecs by name.
        tag_step (float): Distance of two people's tags, if there are tags: twice the trained
            margin, which makes errors comparable between tags of different scales.
    """

    draw: Callable[[Scene], Maps]
    decoders: dict[str, Any] = field(default_factory=dict)
    tag_step: float = TAG_STEP


def measure_noise(
    ours: Contestant,
    config: str,
    settings: Settings,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Decode perfect maps with errors, and compare the people found with those drawn.

    For a DiskOffset config, it measures the codec at the network's resolution and at the input's,
    and mmpose's AssociativeEmbedding at stride 4. For a ClusterTag config, it measures the codec,
    and AssociativeEmbedding on heatmaps of the same size. AssociativeEmbedding has the settings of
    mmpose's COCO config, and UDP's frame, in which it is most accurate.

    Args:
        ours (Contestant): A bottom-up config with one of these codecs and COCO's 17 keypoints.
        config (str): Name of the config in the rows.
        settings (Settings): ``people``, ``batch`` (images per number of people), ``errors``,
            ``strengths``, ``annotations`` and ``vary`` are used.
        tell (Callable): Called with a description of each measurement. Defaults to no call.

    Returns:
        list[Row]: For each kind and strength the number of people found, the number annotated, AP
        and AR.

    Raises:
        OSError: If the annotation file cannot be read.
        ValueError: If the config has a different codec, the codec has no such setting, or the
            annotation file holds nobody.
    """
    make = {'DiskOffset': disk_offset_sources, 'ClusterTag': cluster_tag_sources}
    codec = ours.decoder_cfg['type']
    if codec not in make or ours.metainfo['num_keypoints'] != len(ORDER):
        raise unfit_config(PART, make, len(ORDER), codec, ours.metainfo['num_keypoints'])
    if settings.annotations:
        scenes = annotated_scenes(settings.annotations, ours.input_size)
    else:
        scenes = made_up_scenes(ours.input_size, settings.people, settings.batch)
    sources = make[codec](ours, settings.vary)
    rows = []
    for kind in settings.errors:
        found = _decode_all(scenes, sources, kind, settings.strengths, ours.input_size, tell)
        rows += _rows(scenes, found, kind, config)
    order = list(dict.fromkeys(row.measure for row in rows))
    return sorted(rows, key=lambda row: order.index(row.measure))


def _decode_all(
    scenes: Sequence[Scene],
    sources: Sequence[Source],
    kind: str,
    strengths: Sequence[float],
    size: tuple[int, int],
    tell: Callable[[str], None],
) -> dict[float, dict[str, list[Found]]]:
    """Return the people found, scene by scene, for each strength and codec."""
    results: dict[float, dict[str, list[Found]]] = {strength: {} for strength in strengths}
    for number, scene in enumerate(scenes):
        tell(f'{kind} errors, image {number + 1} of {len(scenes)}')
        for source in sources:
            noisy = NoisyMaps(source.draw(scene), kind, size, number, source.tag_step)
            for strength in strengths:
                maps = noisy.at(strength)
                for name, codec in source.decoders.items():
                    results[strength].setdefault(name, []).append(_decode(codec, maps))
    return results


def _rows(
    scenes: Sequence[Scene],
    results: dict[float, dict[str, list[Found]]],
    kind: str,
    config: str,
) -> list[Row]:
    annotated = [float(sum(len(scene.points) for scene in scenes))]
    rows = []
    for strength, found in results.items():
        scores = {name: score_people(scenes, people) for name, people in found.items()}
        people = {name: [float(score.found)] for name, score in scores.items()}
        columns = (
            ('found', 'people', {TRUTH: annotated, **people}),
            ('AP', '', {name: [score.ap] for name, score in scores.items()}),
            ('AR', '', {name: [score.ar] for name, score in scores.items()}),
        )
        for measure, unit, values in columns:
            name, case = f'{measure}, {kind} errors', f'{strength:g} px'
            rows += make_rows(values, PART, config, name, unit, 1, case)
    return rows


def disk_offset_sources(ours: Contestant, variants: Sequence[str]) -> list[Source]:
    """Return StrongPose's maps at the network's and the input's resolution, and tagged heatmaps."""
    size, network = ours.input_size, network_map_size(ours)
    settings = {k: v for k, v in ours.decoder_cfg.items() if k != 'draw_on_device'}
    sources = []
    for cells in (network, size):
        codec = build_codec(dict(settings, map_size=cells))
        source = Source(draw=partial(_drawn, codec))
        source.decoders[f'DiskOffset, {cells[0]}x{cells[1]}'] = codec
        sources.append(source)
    for variant in variants:
        sources[0].decoders[variant] = _varied(dict(settings, map_size=network), variant)
    peer = associative_embedding(size, (-(-size[0] // 4), -(-size[1] // 4)), sigma=2)
    return [*sources, _peer_source(peer)]


def cluster_tag_sources(ours: Contestant, variants: Sequence[str]) -> list[Source]:
    """Return tagged heatmaps of the config's clusters and of AssociativeEmbedding."""
    settings = {k: v for k, v in ours.decoder_cfg.items() if k != 'draw_on_device'}
    codec = build_codec(settings)
    assert ours.model is not None
    margin = ours.model['head'].get('loss', {}).get('margin', TAG_STEP / 2)
    step = codec.reference_step or 2 * margin
    draw = _tagged(codec, codec.clusters, codec.delta, step)
    own = Source(draw, {'ClusterTag': codec}, step)
    for variant in variants:
        own.decoders[variant] = _varied(settings, variant)
    cells = codec.heatmap_size
    return [own, _peer_source(associative_embedding(ours.input_size, cells, codec.sigma))]


def associative_embedding(
    size: tuple[int, int], cells: tuple[int, int], sigma: float
) -> AssociativeEmbedding:
    """Build mmpose's codec for COCO with a given map size."""
    return AssociativeEmbedding(
        size,
        cells,
        sigma=sigma,
        use_udp=True,
        decode_keypoint_order=list(ORDER),
        decode_topk=30,
        decode_max_instances=30,
    )


def _peer_source(codec: AssociativeEmbedding) -> Source:
    step = 2 * PEERS_MARGIN
    draw = _tagged(codec, [[k] for k in range(len(ORDER))], step=step)
    w, h = codec.heatmap_size
    return Source(draw, {f'AssociativeEmbedding, {w}x{h}': codec}, step)


def _drawn(codec: Any, scene: Scene) -> Maps:
    encoded = codec.encode(scene.points, scene.labeled)
    return {name: torch.from_numpy(encoded[name])[None] for name in codec.decoded_names}


def _tagged(
    codec: Any, clusters: Sequence[Sequence[int]], delta: float = 0.0, step: float = TAG_STEP
) -> Callable[[Scene], Maps]:
    """Return drawn heatmaps, and in each cell the tag of the cluster's nearest labeled keypoint.

    People's references are ``step`` apart, in random order. A keypoint's tag is the reference plus
    ``delta`` times its place in the cluster.
    """
    w, h = codec.heatmap_size
    stride = np.array(codec.input_size) / (w, h)
    y, x = np.mgrid[:h, :w]
    centers = (np.stack([x, y], -1) + 0.5) * stride - 0.5

    def draw(scene: Scene) -> Maps:
        heatmaps = codec.encode(scene.points, scene.labeled)['heatmaps']
        tags = np.zeros((len(clusters), h, w), np.float32)
        people = len(scene.points)
        references = step * np.random.default_rng(people).permutation(people)
        for channel, cluster in enumerate(clusters):
            person, place = np.nonzero(scene.labeled[:, cluster])
            if len(person):
                points = scene.points[person, np.array(cluster)[place]]
                distance = np.square(points[:, None, None] - centers).sum(-1)
                tags[channel] = (references[person] + delta * place)[distance.argmin(0)]
        maps = dict(heatmaps=heatmaps, tags=tags)
        return {name: torch.from_numpy(value)[None] for name, value in maps.items()}

    return draw


def _varied(settings: dict, variant: str) -> Any:
    key, _, value = variant.partition('=')
    try:
        value = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        pass  # a word such as 'heatmap'
    changed = Config(deepcopy(settings))
    try:
        return build_codec(with_options(changed, {key: value}).to_dict())
    except ValueError as error:
        text = str(error)
        raise ArgumentError('{} {variant}: {text}', 'vary', variant=variant, text=text) from error


def _decode(codec: Any, maps: Maps) -> Found:
    values = [value.clone() for value in maps.values()]  # mmpose's codec changes them
    keypoints, _, people = codec.batch_decode(*values)
    return Found(keypoints[0], people[0])
