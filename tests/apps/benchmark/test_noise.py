# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The benchmark's part 'noise' adds errors of the stated strength and counts the people found."""

import json

import numpy as np
import pytest
import torch

from mmpose_ext.apps.benchmark import Settings, run_benchmark
from mmpose_ext.apps.benchmark.noise_errors import NoisyMaps, error_field
from mmpose_ext.apps.benchmark.noise_scenes import annotated_scenes, made_up_scenes
from mmpose_ext.apps.benchmark.noise_scores import Found, score_people
from mmpose_ext.apps.main import main

SIZE = (193, 161)
CONFIGS = {
    'strongpose': 'demo/strongpose_resnet18_193x193',
    'cluster': 'demo/cluster_hourglass2_160x160',
}


def path(root, paper):
    return str(root / 'configs' / f'{CONFIGS[paper]}.py')


def rms(errors):
    return errors.square().mean().sqrt().item()


@pytest.mark.parametrize('kind', ['smooth', 'independent'])
def test_errors_have_unit_strength_and_no_mean(kind):
    errors = error_field(kind, SIZE, 3)(torch.Size([1, 200, 41, 49]))
    assert errors.shape == (1, 200, 41, 49)
    assert rms(errors) == pytest.approx(1, abs=0.03)
    assert errors.mean().item() == pytest.approx(0, abs=0.02)
    neighbors = (errors[..., 1:] * errors[..., :-1]).mean().item()
    # half a standard deviation apart: exp(-0.25 * 0.5^2)
    assert neighbors == pytest.approx(0.94 if kind == 'smooth' else 0.0, abs=0.03)


def test_smooth_errors_are_the_same_on_maps_of_any_size():
    fine, coarse = (
        error_field('smooth', SIZE, 3)(torch.Size([1, 2, *size])) for size in ((161, 193), (21, 25))
    )
    torch.testing.assert_close(fine[..., ::8, ::8], coarse, atol=1e-4, rtol=0)


@pytest.mark.parametrize('kind', ['smooth', 'independent'])
def test_strength_on_each_kind_of_map(kind):
    size = (401, 401)
    maps = dict(
        heatmaps=torch.full((1, 40, 51, 51), 0.5),
        short_offsets=torch.zeros(1, 40, 51, 51),
        long_offsets=torch.zeros(1, 40, 51, 51),
    )
    maps['long_offsets'][:, 0::2] = 80.0
    noisy = NoisyMaps(maps, kind, size, 0)
    assert all(torch.equal(noisy.at(0.0)[name], maps[name]) for name in maps)
    errors = {name: noisy.at(3.0)[name] - maps[name] for name in maps}
    lengths = {name: e.unflatten(1, (-1, 2)).norm(dim=2) for name, e in errors.items()}
    assert rms(lengths['short_offsets']) == pytest.approx(3.0, rel=0.03)
    # 15 % of 80 px, and 3 px
    assert rms(lengths['long_offsets']) == pytest.approx((12**2 + 3**2) ** 0.5, rel=0.03)
    assert rms(errors['heatmaps']) == pytest.approx((0.15**2 + 0.015**2) ** 0.5, rel=0.05)
    assert 0 <= noisy.at(30.0)['heatmaps'].min() and noisy.at(30.0)['heatmaps'].max() <= 1


def test_tagged_heatmaps_err_in_tags_and_place():
    y, x = torch.meshgrid(torch.arange(101.0), torch.arange(101.0), indexing='ij')
    gaussian = torch.exp(-((x - 50) ** 2 + (y - 50) ** 2) / 8)
    maps = dict(heatmaps=gaussian.expand(1, 100, 101, 101), tags=torch.zeros(1, 100, 101, 101))
    noisy = NoisyMaps(maps, 'smooth', (404, 404), 0).at(3.0)
    assert rms(noisy['tags']) == pytest.approx(0.8, rel=0.03)
    peak = noisy['heatmaps'].flatten(2).argmax(-1)
    shift = 4 * torch.stack([peak % 101 - 50, peak // 101 - 50], -1).float()
    assert rms(shift.norm(dim=-1)) == pytest.approx(3.0, rel=0.3)  # cells of 4 px, flat tops


def test_tags_err_by_a_tenth_of_their_distance():
    """The tags of associative embedding are 1.4 apart, and its threshold is 1."""
    maps = dict(heatmaps=torch.zeros(1, 40, 51, 51), tags=torch.zeros(1, 40, 51, 51))
    for step in (8.0, 2.0**0.5):
        noisy = NoisyMaps(maps, 'independent', (204, 204), 0, step).at(3.0)
        assert rms(noisy['tags']) == pytest.approx(0.1 * step, rel=0.03)


def coco_file(folder, people):
    def annotation(number, shift, **more):
        keypoints = np.zeros((17, 3))
        keypoints[:5] = [[10 * k + shift, 20, 2] for k in range(5)]
        person = dict(id=number, image_id=1, category_id=1, iscrowd=0, num_keypoints=5)
        person.update(bbox=[shift, 20, 40, 1], area=400.0, keypoints=keypoints.ravel().tolist())
        return dict(person, **more)

    data = dict(
        images=[dict(id=1, width=201, height=101), dict(id=2, width=50, height=50)],
        annotations=people(annotation),
        categories=[dict(id=1, name='person')],
    )
    (folder / 'people.json').write_text(json.dumps(data))
    return str(folder / 'people.json')


def test_people_of_a_file_fit_into_the_input(tmp_path):
    file = coco_file(
        tmp_path,
        lambda person: [
            person(1, 0),
            person(2, 100),
            person(3, 0, iscrowd=1),
            person(4, 0, num_keypoints=0),
        ],
    )
    (scene,) = annotated_scenes(file, (401, 401))
    assert scene.points.shape == (2, 17, 2) and scene.labeled.sum() == 10
    np.testing.assert_allclose(scene.points[1, :5], [[20 * k + 200, 40] for k in range(5)])
    np.testing.assert_allclose(scene.areas, 1600)
    with pytest.raises(ValueError, match='17 keypoints'):
        annotated_scenes(coco_file(tmp_path, lambda person: []), (401, 401))


def test_scores_of_the_truth_and_of_nothing():
    scenes = made_up_scenes((401, 401), (1, 30), 1)
    found = [Found(scene.points, np.ones(len(scene.points))) for scene in scenes]
    assert score_people(scenes, found) == (31, 1.0, 1.0)
    nobody = Found(np.zeros((0, 17, 2)), np.zeros(0))
    assert score_people(scenes, [nobody, nobody]) == (0, 0.0, 0.0)
    half = [found[0], Found(scenes[1].points[:15], np.ones(15))]
    assert score_people(scenes, half).ar == pytest.approx(16 / 31)


@pytest.mark.parametrize(
    ('paper', 'names'),
    [
        ('strongpose', ['DiskOffset, 25x25', 'radius=16', 'DiskOffset, 193x193']),
        ('cluster', ['ClusterTag', 'sigma=1.5']),
    ],
)
def test_part_noise(root, paper, names):
    settings = Settings(people=(1, 3), batch=1, strengths=(0.0, 8.0), vary=(names[1],))
    rows, _ = run_benchmark(path(root, paper), settings, 'noise')
    values = {(row.measure, row.contestant, row.case): row.median for row in rows}
    contestants = list(dict.fromkeys(row.contestant for row in rows))
    assert contestants[:-1] == ['annotated', *names]
    assert contestants[-1].startswith('AssociativeEmbedding')
    for kind in ('smooth', 'independent'):
        for name in (names[0], contestants[-1]):
            assert values[f'found, {kind} errors', name, '0 px'] == 4
            assert values[f'AP, {kind} errors', name, '0 px'] > 0.95
            assert values[f'AP, {kind} errors', name, '8 px'] < 0.95
            assert values[f'AR, {kind} errors', name, '0 px'] > 0.95


def test_command(root, tmp_path, capsys):
    """The command takes the people of a file, and the plot has the strengths on its axis."""
    file = coco_file(tmp_path, lambda person: [person(1, 0), person(2, 100)])
    out = {name: str(tmp_path / f'noise.{name}') for name in ('csv', 'png')}
    arguments = ['--part', 'noise', '--annotations', file, '--errors', 'smooth', '--rms', '0', '2']
    files = ['--csv', out['csv'], '--plot', out['png']]
    assert main(['benchmark', path(root, 'strongpose'), *arguments, *files]) == 0
    printed = capsys.readouterr().out
    assert '| annotated | 2.00 (1.00) | 2.00 (1.00) |' in printed
    assert 'AP, smooth errors' in printed and 'independent' not in printed
    assert (tmp_path / 'noise.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--vary', 'radius'], 'SETTING=VALUE'),
        (['--vary', 'nothing=1'], 'nothing'),
        (['--annotations', 'none.json'], 'none.json'),
    ],
)
def test_command_refuses(root, capsys, arguments, message):
    assert main(['benchmark', path(root, 'strongpose'), '--part', 'noise', *arguments]) == 2
    assert message in capsys.readouterr().err


def test_other_codecs_are_refused(root):
    with pytest.raises(ValueError, match='DiskOffset or ClusterTag'):
        run_benchmark(
            str(root / 'configs' / 'demo' / 'attention_resnet18_128x96.py'), Settings(), 'noise'
        )
