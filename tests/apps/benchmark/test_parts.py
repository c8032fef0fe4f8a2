# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Each part of the benchmark runs once on a small config of each paper."""

import csv

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmpose_ext.apps.benchmark import Settings, run_benchmark
from mmpose_ext.apps.benchmark.codecs import make_maps
from mmpose_ext.apps.benchmark.fast_steps import VARIANTS
from mmpose_ext.apps.benchmark.memory import BLOCKS, build_block, measure_once
from mmpose_ext.apps.benchmark.people import people_in_squares, standing_people
from mmpose_ext.apps.benchmark.runner import load_contestant
from mmpose_ext.apps.benchmark.samples import make_people
from mmpose_ext.apps.main import main
from mmpose_ext.engine import fast_training_hook
from mmpose_ext.utils.sequences import zip_equal

CONFIGS = {
    'attention': 'demo/attention_resnet18_128x96',
    'clnet': 'lsp/clnet_resnet18_lspet_128x128',
    'frsbn': 'lsp/frsbn_resnet18_lspet_64x64',
    'strongpose': 'demo/strongpose_resnet18_193x193',
    'cluster': 'demo/cluster_hourglass2_160x160',
}
AE = 'AE config (HRNet-W32)'


def path(root, paper):
    return str(root / 'configs' / f'{CONFIGS[paper]}.py')


def measured(rows):
    """Return the contestants of each measure."""
    found = {}
    for row in rows:
        assert row.median > 0 and row.ratio > 0 and row.runs == 1
        found.setdefault(row.measure, []).append(row.contestant)
    return found


def test_all_of_a_bottomup_config(root):
    settings = Settings(runs=1, batch=1, people=(2,), workers=(0,), batches=1, images=2)
    rows, notes = run_benchmark(path(root, 'strongpose'), settings)
    ours = 'strongpose_resnet18_193x193'
    found = measured(rows)
    assert notes == []
    assert found['encode'] == found['decode'] == [ours, 'AssociativeEmbedding', AE]
    for measure in ('forward', 'step', 'targets', 'loader', "sample's targets", 'parameters'):
        assert found[measure] == [ours, AE]


@pytest.mark.parametrize(
    ('paper', 'measures', 'number'),
    [
        ('attention', ('forward', 'targets', 'step'), 2),  # it has no codec of its own
        ('clnet', ('encode', 'forward', 'decode', 'targets'), 5),
        ('frsbn', ('encode', 'decode', 'targets', 'step'), 8),
        ('cluster', ('encode', 'decode'), 3),
    ],
)
def test_parts_of_the_others(root, paper, measures, number):
    settings = Settings(runs=1, batch=1, people=(2,), measures=measures)
    rows, _ = run_benchmark(path(root, paper), settings)
    found = measured(rows)
    assert set(measures) <= set(found)
    assert ('targets of the step' in found) == {'targets', 'step'}.issubset(measures)
    assert len({row.contestant for row in rows}) == number
    assert ('encode + decode' in found) == {'encode', 'decode'}.issubset(measures)


@pytest.mark.parametrize(
    ('paper', 'measures'),
    [('strongpose', {'found', 'decode', 'encode'}), ('cluster', {'located', 'grouping', 'decode'})],
)
def test_people(root, paper, measures):
    settings = Settings(runs=1, batch=1, people=(1, 3), clock='thread')
    rows, _ = run_benchmark(path(root, paper), settings, 'people')
    assert measures <= {row.measure for row in rows}
    assert {row.case for row in rows} == {'1 person', '3 people'}
    located = [row.median for row in rows if row.measure == 'located']
    assert all(share == 1 for share in located)


def test_people_of_a_topdown_config_are_refused(root):
    with pytest.raises(ValueError, match='DiskOffset or ClusterTag'):
        run_benchmark(path(root, 'attention'), Settings(runs=1), 'people')


@pytest.mark.parametrize('name', BLOCKS)
def test_attention_block(root, name):
    init_default_scope('mmpose')
    contestant = load_contestant(path(root, 'attention'), None)
    seconds, mebibytes = measure_once('attention-block', name, contestant, 1, 'cpu')
    assert seconds > 0 and mebibytes > -100


def test_blocks_compute_the_same():
    ours, theirs = (build_block(name, 16).eval() for name in BLOCKS)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    x = 0.1 * torch.randn(2, 16, 6, 5)
    assert ours(x).shape == theirs(x).shape


@pytest.mark.long
@pytest.mark.parametrize('part', ['attention-block', 'step-memory'])
def test_processes(root, part):
    rows, _ = run_benchmark(path(root, 'attention'), Settings(runs=1, batch=1), part)
    assert [row.unit for row in rows] == ['ms', 'ms', 'MiB', 'MiB']
    assert all(row.median > 0 for row in rows)


def test_fast_steps(root, monkeypatch):
    """Each setting is applied to a separate network, and the process stays unchanged."""
    compiled = []
    monkeypatch.setattr(fast_training_hook, 'compile_in_place', compiled.append)
    told = []
    settings = Settings(runs=1, batch=1)
    rows, _ = run_benchmark(path(root, 'attention'), settings, 'fast-training', tell=told.append)
    assert [row.contestant for row in rows] == ['attention_resnet18_128x96', *VARIANTS]
    assert [text.split(': ')[1] for text in told] == [
        'plain',
        'channels last',
        'bfloat16',
        'compiled backbone',
        'plain',  # none of them helps on a CPU
    ]
    assert len(compiled) == 1 and not torch.backends.cudnn.benchmark
    assert all(row.median > 0 and row.measure == 'step' for row in rows)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
@pytest.mark.parametrize('paper', ['clnet', 'frsbn'])
def test_on_a_gpu(root, paper):
    measures = ('encode', 'forward', 'decode', 'targets', 'step')
    settings = Settings(runs=1, batch=2, device='cuda:0', dtype='bfloat16', measures=measures)
    rows, notes = run_benchmark(path(root, paper), settings)
    assert set(measures) <= set(measured(rows)) and notes == []


def test_command_writes_its_files(root, tmp_path, capsys):
    out = [str(tmp_path / name) for name in ('t.csv', 't.png', 't.md')]
    arguments = ['--what', 'decode', 'encode', '--runs', '2', '--batch', '2']
    files = ['--csv', out[0], '--plot', out[1], '--markdown', out[2]]
    assert main(['benchmark', path(root, 'clnet'), *arguments, *files]) == 0
    assert (tmp_path / 't.md').read_text() == capsys.readouterr().out
    with open(out[0], newline='') as file:
        assert {row['measure'] for row in csv.DictReader(file)} >= {'encode', 'decode'}
    assert (tmp_path / 't.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['no.py'], 'does not exist'),
        (['{config}', '--runs', '0', '--what', 'decode'], '--runs must be 1'),
        (['{config}', '--device', 'nowhere'], '--device nowhere'),
        (['{config}', '--part', 'people'], '--part people needs a config of DiskOffset or'),
        (['{config}', '--what', 'loader', '--data-root', 'none'], '--data-root none is not a'),
        (['{config}', '--peer', '{config}'], '--peer: configs must have different names'),
    ],
)
def test_command_refuses(root, capsys, arguments, message):
    config = path(root, 'clnet')
    assert main(['benchmark', *(one.format(config=config) for one in arguments)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('paper', ['clnet', 'frsbn', 'strongpose'])
def test_maps_without_noise_decode_to_the_people(root, paper):
    init_default_scope('mmpose')
    contestant = load_contestant(path(root, paper), None)
    points = make_people(contestant, 2, 2, contestant.metainfo['num_keypoints'])
    codec, maps = make_maps(contestant, points, 0.0, 'cpu')
    found = codec.batch_decode(maps)[0]
    for people, expected in zip_equal(found, points):
        assert len(people) == len(expected)
        nearest = np.abs(people[:, None] - expected[None]).max((2, 3)).min(0)
        assert nearest.max() < 4


def test_people_are_apart_and_inside():
    rng = np.random.default_rng(0)
    for people in (standing_people((193, 160), 7, rng), people_in_squares((193, 160), 7, 17, rng)):
        assert people.shape == (7, 17, 2)
        assert (people >= 0).all() and (people <= [192, 159]).all()
    with pytest.raises(ValueError, match='36'):
        people_in_squares((100, 100), 37, 17, rng)
