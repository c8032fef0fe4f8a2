# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Decoding of maps with errors like a network's: in tags only, and in heatmaps and tags."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cluster_tag_maps import perfect_maps
from test_cluster_tag_ap import (
    MAPS,
    SIZE,
    average_precision,
    coco_people,
    people_of_images,
    synthetic_people,
)
from torch.nn.functional import avg_pool2d

from mmpose_ext.apps.benchmark import Settings, run_benchmark
from mmpose_ext.codecs import ClusterTag

CONFIG = 'cluster_hourglass4_512x512.py'


def smooth(errors):
    """Smooth errors over about four cells, and keep their strength."""
    errors = avg_pool2d(avg_pool2d(errors, 5, 1, 2), 5, 1, 2)
    return errors / errors.square().mean().sqrt()


def decode_noisy(data, thresholds, apart, rms, kind):
    """Return the number of people found and their AP for each threshold."""
    codecs = [ClusterTag((SIZE, SIZE), (MAPS, MAPS), tag_threshold=t) for t in thresholds]
    results = [[] for _ in thresholds]
    for number, (image, persons, scale) in enumerate(people_of_images(data)):
        references = apart * np.random.default_rng(number).permutation(len(persons))
        maps = perfect_maps(codecs[0], [persons], [references])
        generator = torch.Generator().manual_seed(number)
        errors = torch.randn(maps['tags'].shape, generator=generator)
        maps['tags'] = maps['tags'] + rms * (smooth(errors) if kind == 'smooth' else errors)
        for codec, found in zip(codecs, results):
            keypoints, _, scores = codec.batch_decode(maps)
            for person, score in zip(keypoints[0] / scale, scores[0]):
                flat = np.c_[person, np.ones(17)].ravel().tolist()
                one = dict(image_id=image, category_id=1, keypoints=flat, score=float(score))
                found.append(one)
    return [(len(found), average_precision(data, found)) for found in results]


@pytest.mark.parametrize('kind', ['independent', 'smooth'])
def test_errors_of_a_trained_model(kind):
    """If tags err by 0.8 with a margin of 4, at most 3 % more or fewer people are found.

    Associative embedding's threshold of 1 belongs to its own margin.
    """
    data = synthetic_people([10, 6, 3])
    default = ClusterTag((SIZE, SIZE), (MAPS, MAPS)).settings.tag_threshold
    (found, ap), (most, worse) = decode_noisy(data, [default, 1.0], 8.0, 0.8, kind)
    assert abs(found - 19) <= 1 and ap > 0.99
    assert most > 25 and worse < ap


@pytest.mark.long
@pytest.mark.parametrize('kind', ['independent', 'smooth'])
@pytest.mark.parametrize('apart', [6.0, 8.0])
def test_the_default_is_the_best_of_its_neighbors(shared_data, apart, kind):
    """The default is best on COCO's people, with the errors of a trained model."""
    data = coco_people(shared_data)
    scores = decode_noisy(data, [4.0, 5.0, 6.0], apart, 0.8, kind)
    assert ClusterTag((SIZE, SIZE), (MAPS, MAPS)).settings.tag_threshold == 5
    people = sum(annotation['num_keypoints'] > 0 for annotation in data['annotations'])
    assert abs(scores[1][0] - people) <= 0.03 * people
    assert scores[1][1] > max(ap for _, ap in scores) - 0.002, scores


@pytest.mark.long
def test_table_of_the_page(shared_data):
    """This computes the table of docs/cluster-wise.md (``-s`` prints it)."""
    data = coco_people(shared_data)
    shown = {a['image_id'] for a in data['annotations'] if a['num_keypoints']}
    data['images'] = [image for image in data['images'] if image['id'] in shown][::6]
    kept = {image['id'] for image in data['images']}
    data['annotations'] = [a for a in data['annotations'] if a['image_id'] in kept]
    for apart in (6.0, 8.0):
        for rms in (0.8, 1.2):
            for kind in ('independent', 'smooth'):
                scores = decode_noisy(data, [3.0, 4.0, 5.0, 6.0], apart, rms, kind)
                print(apart, rms, kind, *(f'{found} / {ap:.3f}' for found, ap in scores))
                assert scores[2][1] > 0.97


@pytest.mark.parametrize('kind', ['independent', 'smooth'])
def test_noisy_heatmaps_and_associative_embedding(root, kind):
    """At a trained network's errors, people are within 3 %, and AP is not below mmpose's."""
    settings = Settings(people=(5, 30), batch=1, strengths=(3.0,), errors=(kind,))
    rows, _ = run_benchmark(root / 'configs' / CONFIG, settings, 'noise')
    values = {(row.measure.split(',')[0], row.contestant.split(',')[0]): row.median for row in rows}
    assert values['found', 'ClusterTag'] == pytest.approx(35, rel=0.03)
    for measure in ('AP', 'AR'):
        assert values[measure, 'ClusterTag'] >= values[measure, 'AssociativeEmbedding']
    assert values['AP', 'ClusterTag'] > (0.98 if kind == 'independent' else 0.6)


@pytest.mark.long
def test_no_neighbor_of_a_default_is_better(root, shared_data):
    """The people are COCO's, with errors of 0 to 5 px; a tie is within half a percent."""
    neighbors = dict(nms_kernel=(5, 9), score_threshold=(0.1, 0.3), tag_threshold=(4.0, 6.0))
    vary = tuple(f'{name}={value}' for name, both in neighbors.items() for value in both)
    file = str(shared_data / 'coco-real' / 'val.json')
    settings = Settings(strengths=(0.0, 1.0, 3.0, 5.0), annotations=file, vary=vary)
    rows, _ = run_benchmark(root / 'configs' / CONFIG, settings, 'noise')
    values = {}
    for row in rows:
        values.setdefault((row.contestant, row.measure.split(',')[0]), []).append(row.median)
    people = np.array(values['annotated', 'found'])

    def merit(name):
        found, ap, ar = (np.array(values[name, measure]) for measure in ('found', 'AP', 'AR'))
        return ((ap + ar - np.abs(found - people) / people) / 2).mean()

    own = merit('ClusterTag')
    assert own > 0.9
    for name in vary:
        assert merit(name) < own + 0.005, name
