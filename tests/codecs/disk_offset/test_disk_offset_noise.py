# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decoding of maps with errors like a network's; drawing does not wait for the device."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from torch.utils._python_dispatch import TorchDispatchMode

from mmpose_ext.apps.benchmark import Settings, run_benchmark
from mmpose_ext.apps.benchmark.noise_errors import NoisyMaps
from mmpose_ext.apps.benchmark.noise_scenes import annotated_scenes, made_up_scenes
from mmpose_ext.apps.benchmark.noise_scores import Found, score_people
from mmpose_ext.codecs import DiskOffset
from mmpose_ext.codecs.disk_offset.sampling import EdgeTable, sample
from mmpose_ext.codecs.disk_offset.voting import Peaks

SIZE, CELLS, KINDS = (401, 401), (51, 51), 17


def drawn(codec, points):
    encoded = codec.encode(points)
    return {name: torch.from_numpy(encoded[name])[None] for name in codec.decoded_names}


def people(number, seed=0):
    return made_up_scenes(SIZE, (number,), 1, seed)[0].points


@pytest.mark.parametrize('steps', [0, 1, 2])
def test_long_offsets_are_followed_refined(steps):
    """Refinement removes an error that stays within the keypoint's disk, but not a larger one."""
    codec = DiskOffset(SIZE, CELLS, refine_steps=steps)
    points = people(1)
    maps = drawn(codec, points)
    peaks = Peaks(torch.arange(KINDS), torch.from_numpy(points[0]), torch.ones(KINDS))
    edges = EdgeTable.of(codec.settings, 'cpu')
    true = torch.from_numpy(points[0]).expand(KINDS, -1, -1)
    for error, exact in (((6.0, -5.0), steps > 0), ((60.0, 0.0), False)):
        wrong = (
            drawn(codec, points)['long_offsets'].unflatten(1, (-1, 2))
            + torch.tensor(error)[:, None, None]
        )
        maps['long_offsets'] = wrong.flatten(1, 2).contiguous()
        found = sample(maps, peaks, edges, codec.settings)
        distance = (found.far - true).norm(dim=-1)
        length = np.hypot(*error)
        assert (
            (distance < 1e-3).all() if exact else distance.median() == pytest.approx(length, abs=1)
        )


def test_parts_whose_long_offsets_err_are_one_person():
    """Without the shoulders, only long offsets join the face to the rest of the body."""
    codec = DiskOffset(SIZE, CELLS)
    points = people(1)
    visible = np.ones((1, KINDS), np.float32)
    visible[:, [5, 6]] = 0
    encoded = codec.encode(points, visible)
    maps = {name: torch.from_numpy(encoded[name])[None] for name in codec.decoded_names}
    maps['long_offsets'][:, 0::2] += 10.0 * (maps['long_offsets'][:, 0::2] != 0)
    (found,) = codec.batch_decode(maps)[0]
    assert len(found) == 1
    labeled = visible[0] > 0
    np.testing.assert_allclose(found[0, labeled], points[0, labeled], atol=0.1)


@pytest.mark.parametrize(
    ('kind', 'cells'), [('smooth', CELLS), ('independent', CELLS), ('independent', SIZE)]
)
def test_as_many_people_are_found_as_there_are(kind, cells):
    """With errors of 3 px, a disk gives one candidate, also on maps resized to the input."""
    codec = DiskOffset(SIZE, CELLS)
    for number in (1, 20):
        maps = NoisyMaps(drawn(codec, people(number)), kind, SIZE, number).at(3.0)
        if cells != CELLS:
            maps = {
                name: interpolate(value, cells[::-1], mode='bilinear', align_corners=True)
                for name, value in maps.items()
            }
        assert len(codec.batch_decode(maps)[0][0]) == number


def test_beside_associative_embedding(root):
    """At a trained network's errors, people are within 3 %, and AP is not below mmpose's."""
    config = root / 'configs' / 'strongpose_resnet101_401x401.py'
    settings = Settings(people=(5, 30), batch=1, strengths=(3.0,), errors=('smooth',))
    rows, _ = run_benchmark(config, settings, 'noise')
    found = {(row.measure.split(',')[0], row.contestant.split(',')[0]): row.median for row in rows}
    assert found['found', 'DiskOffset'] == pytest.approx(35, rel=0.03)
    assert found['AP', 'DiskOffset'] >= found['AP', 'AssociativeEmbedding']
    assert found['AR', 'DiskOffset'] >= found['AR', 'AssociativeEmbedding']


def merit(codec, scenes, maps):
    """Return the mean of AP and AR minus half the share of surplus or missing people."""
    total = sum(len(scene.points) for scene in scenes)
    merits = []
    for noisy in maps:
        found = []
        for one in noisy:
            keypoints, _, scores = codec.batch_decode(one)
            found.append(Found(keypoints[0], scores[0]))
        score = score_people(scenes, found)
        merits.append((score.ap + score.ar - abs(score.found - total) / total) / 2)
    return np.mean(merits)


@pytest.mark.long
def test_no_neighbor_of_a_default_is_better(shared_data):
    """This measures the tables of docs/strongpose.md; a tie is within half a percent."""
    scenes = annotated_scenes(shared_data / 'coco-real' / 'val.json', SIZE)
    default = DiskOffset(SIZE, CELLS)
    perfect = []
    for scene in scenes:
        encoded = default.encode(scene.points, scene.labeled)
        perfect.append({n: torch.from_numpy(encoded[n])[None] for n in default.decoded_names})
    maps = []
    for kind, strengths in (('smooth', (0.0, 3.0, 5.0)), ('independent', (3.0, 5.0))):
        noisy = [NoisyMaps(one, kind, SIZE, seed) for seed, one in enumerate(perfect)]
        maps += [[one.at(strength) for one in noisy] for strength in strengths]
    own = merit(default, scenes, maps)
    assert own > 0.79
    for name, values in dict(
        vote_step=(3.0, 4.0, 6.0), join_radius=(8.0, 16.0, 40.0), snap_radius=(24.0, 40.0)
    ).items():
        for value in values:
            other = merit(DiskOffset(SIZE, CELLS, **{name: value}), scenes, maps)
            assert other < own + 0.005, (name, value)


class Waits(TorchDispatchMode):
    """Counts calls that would wait for a number from the device."""

    def __init__(self):
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.number += 'local_scalar_dense' in str(function)
        return function(*args, **(kwargs or {}))


def test_drawing_reads_no_number_from_the_device():
    codec = DiskOffset(SIZE, CELLS)
    points = torch.from_numpy(people(3))[None]
    weights = torch.ones(points.shape[:-1])
    masks = dict(
        instance_map=torch.ones(1, 1, *CELLS, dtype=torch.int16),
        loss_mask=torch.ones(1, 1, *CELLS, dtype=torch.uint8),
    )
    for given in ({}, masks):
        codec.draw(points, weights, **given)  # fills the constants
        with Waits() as waits:
            codec.draw(points, weights, **given)
        assert waits.number == 0
    with Waits() as waits:
        int(masks['instance_map'].max())
    assert waits.number == 1
