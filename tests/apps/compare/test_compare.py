# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Runs are resumed, and their people compared in pairs."""

import csv
import json

import numpy as np
import pytest

from mmpose_ext.apps.compare import Run, compare, runs, train_and_test
from mmpose_ext.apps.compare.report import draw_plot, to_markdown, write_csv
from mmpose_ext.apps.complexity import Complexity


def finished(folder, name, seed, correct, labelled=10, seconds=60.0):
    run = Run(folder / f'{name}.py', seed, folder / name / f'seed{seed}')
    run.folder.mkdir(parents=True)
    people = [
        dict(id=index, correct=int(number), labelled=labelled)
        for index, number in enumerate(correct)
    ]
    run.people.write_text(json.dumps(people[::-1]))  # any order
    run.costs.write_text(json.dumps(dict(seconds=seconds)))
    return run


@pytest.fixture
def some_runs(tmp_path):
    """A baseline, and a method that finds one keypoint more of every second person."""
    base = np.random.default_rng(0).integers(0, 10, 400)
    better = base + np.arange(400) % 2
    return [
        finished(tmp_path, 'base', 0, base),
        finished(tmp_path, 'base', 1, base),
        finished(tmp_path, 'method', 0, better, seconds=120.0),
        finished(tmp_path, 'method', 1, better, seconds=180.0),
        Run(tmp_path / 'method.py', 2, tmp_path / 'not' / 'there'),
    ]


def test_means_and_paired_intervals(some_runs):
    base, method = compare(some_runs, 'base')
    assert (base.name, base.seeds, base.difference, base.low, base.high) == ('base', 2, 0, 0, 0)
    assert method.seeds == 2 and method.seconds == 150
    assert method.difference == pytest.approx(5.0)  # half a keypoint of ten
    assert method.mean == pytest.approx(base.mean + 5)
    assert method.spread == 0
    # paired: 400 coins of one tenth; unpaired it would span some 6 points
    half = 1.96 * 10 * 0.5 / np.sqrt(400)
    assert method.low == pytest.approx(5 - half, abs=0.1)
    assert method.high == pytest.approx(5 + half, abs=0.1)


def test_different_people_are_refused(some_runs, tmp_path):
    other = finished(tmp_path, 'other', 0, [1, 2, 3])
    with pytest.raises(ValueError, match='other was tested on other people than base'):
        compare([*some_runs, other], 'base')
    with pytest.raises(ValueError, match="the baseline 'none' has no finished run"):
        compare(some_runs, 'none')


def test_report(some_runs, tmp_path):
    rows = compare(some_runs, 'base')
    costs = {name: Complexity(2_000_000, 1, 3_000_000_000) for name in ('base', 'method')}
    write_csv(tmp_path / 'x.csv', rows, costs, dict(torch='2'))
    with open(tmp_path / 'x.csv', newline='') as file:
        lines = list(csv.DictReader(file))
    assert [line['name'] for line in lines] == ['base', 'method']
    assert lines[1]['params_m'] == '2.0' and lines[1]['gmacs'] == '3.0'
    assert lines[1]['torch'] == '2' and float(lines[1]['difference']) == pytest.approx(5)
    assert '| method | 2.00 | 3.00 | 2 |' in to_markdown(rows, costs)
    draw_plot(tmp_path / 'x.png', rows, 'base')
    assert (tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


def test_training_goes_on_and_a_finished_run_is_left_alone(tmp_path, monkeypatch):
    calls = []

    def fake(run, threads, tool, arguments):
        calls.append((tool, arguments))
        if len(calls) == 1:
            raise RuntimeError('killed')
        if tool == 'train.py':
            (run.folder / 'train').mkdir(exist_ok=True)
            (run.folder / 'train' / 'last_checkpoint').write_text('epoch_3.pth')
        else:
            out = next(a for a in arguments if a.startswith('test_evaluator.out_file='))
            open(out.split('=', 1)[1], 'w').write('[]')

    monkeypatch.setattr(runs, '_call', fake)
    run = Run(tmp_path / 'c.py', 7, tmp_path / 'run', ('x=1',))
    with pytest.raises(RuntimeError, match='killed'):
        train_and_test(run)
    assert not run.is_finished()
    train_and_test(run)
    assert run.is_finished() and [tool for tool, _ in calls] == ['train.py', 'train.py', 'test.py']
    for _, arguments in calls:
        assert 'randomness.seed=7' in arguments and 'x=1' in arguments
    assert all('--resume' in arguments for tool, arguments in calls if tool == 'train.py')
    assert 'epoch_3.pth' in calls[2][1]
    train_and_test(run)
    assert len(calls) == 3
