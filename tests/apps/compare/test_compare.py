# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Runs are resumed and kept in one file, and their people are compared in pairs."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from stand_ins import fake_tools, write_config

from mmpose_ext.apps.compare import Run, compare, runs, train_and_test
from mmpose_ext.apps.compare.finished import (
    Finished,
    add_finished,
    counts_of_people,
    read_finished,
)
from mmpose_ext.apps.compare.processes import Processes
from mmpose_ext.apps.compare.report import draw_plot, to_markdown, write_csv
from mmpose_ext.apps.complexity import Complexity


def finished(name, seed, correct, labeled=10, cpu_seconds=60.0, digest='d'):
    people = [
        dict(id=index, correct=int(number), labeled=labeled) for index, number in enumerate(correct)
    ]
    counts = counts_of_people(people[::-1])  # their order does not matter
    return Finished(name, seed, digest, 90.0, cpu_seconds, 500.0, 'a CPU', **counts)


@pytest.fixture
def some_runs():
    """Return a baseline's run, and one that finds a keypoint more of every other person."""
    base = np.random.default_rng(0).integers(0, 10, 400)
    better = base + np.arange(400) % 2
    return [
        finished('base', 0, base),
        finished('base', 1, base),
        finished('method', 0, better, cpu_seconds=120.0),
        finished('method', 1, better, cpu_seconds=180.0),
        finished('method', 2, better, cpu_seconds=math.nan),  # was interrupted
    ]


def test_means_and_paired_intervals(some_runs):
    base, method = compare(some_runs, 'base')
    assert (base.name, base.seeds, base.difference, base.low, base.high) == ('base', 2, 0, 0, 0)
    assert method.seeds == 3 and method.cpu_seconds == 150
    assert method.difference == pytest.approx(5.0)  # half a keypoint in ten
    assert method.mean == pytest.approx(base.mean + 5)
    assert method.spread == pytest.approx(0)
    # paired, this is 400 coins of one tenth; unpaired, it would span some 6 points
    half = 1.96 * 10 * 0.5 / np.sqrt(400)
    assert method.low == pytest.approx(5 - half, abs=0.1)
    assert method.high == pytest.approx(5 + half, abs=0.1)


def test_people_who_do_not_count(some_runs):
    """A person without a torso has no line; neither mean nor interval depends on it."""
    without = counts_of_people([dict(id=0, correct=1, labeled=4), dict(id=2, correct=3, labeled=4)])
    assert without == dict(correct=(1, 0, 3), labeled=(4, 0, 4))
    padded = [
        replace(run, correct=(0, *run.correct, 0), labeled=(0, *run.labeled, 0))
        for run in some_runs
    ]
    assert compare(padded, 'base') == compare(some_runs, 'base')


def test_different_people_are_refused(some_runs):
    with pytest.raises(ValueError, match='other was tested on other people than base'):
        compare([*some_runs, finished('other', 0, [1, 2, 3])], 'base')
    with pytest.raises(ValueError, match='other was tested on other people than base'):
        compare([*some_runs, finished('other', 0, [1] * 400, labeled=9)], 'base')
    with pytest.raises(ValueError, match="the baseline 'none' has no finished run"):
        compare(some_runs, 'none')


def test_report(some_runs, tmp_path):
    rows = compare(some_runs, 'base')
    costs = {name: Complexity(2_000_000, 1, 3_000_000_000) for name in ('base', 'method')}
    write_csv(tmp_path / 'x.csv', rows, costs)
    with open(tmp_path / 'x.csv', newline='') as file:
        lines = list(csv.DictReader(file))
    assert [line['name'] for line in lines] == ['base', 'method']
    assert lines[1]['params_m'] == '2.0' and lines[1]['gmacs'] == '3.0'
    assert lines[1]['environments'] == 'a CPU'
    assert float(lines[1]['difference']) == pytest.approx(5)
    table = to_markdown(rows, costs, 'base').splitlines()
    assert table[0].endswith('| above base (95 %) |')
    assert table[2].startswith('| base | ') and table[2].endswith(' |  |')
    assert table[3].startswith('| method | 2.00 | 3.00 | 2 | 500 | 3 |')
    assert '+5.0 (' in table[3]
    unknown = replace(rows[1], cpu_seconds=float('nan'), spread=float('nan'))
    assert '| 3.00 |  | 500 | 3 | ' in to_markdown([unknown], costs, 'base')
    draw_plot(tmp_path / 'x.png', rows, 'base')
    assert (tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


def test_finished_runs_are_kept_in_one_file(some_runs, tmp_path):
    """Each run is a line, in an order that does not depend on time; a repeated run replaces it."""
    one, two = tmp_path / 'one.jsonl', tmp_path / 'two.jsonl'
    assert read_finished(one) == []
    for run in some_runs[:4]:
        add_finished(one, run)
    for run in [replace(some_runs[0], seconds=1.0), *some_runs[:4][::-1]]:
        add_finished(two, run)
    assert one.read_bytes() == two.read_bytes()
    assert read_finished(one) == some_runs[:4]


def test_runs_in_the_older_spelling_are_read(some_runs, tmp_path):
    file = tmp_path / 'runs.jsonl'
    add_finished(file, some_runs[0])
    text = file.read_text()
    assert '"labeled":' in text
    file.write_text(text.replace('"labeled":', '"labelled":'))
    assert read_finished(file) == [some_runs[0]]


def test_training_goes_on_and_a_finished_run_is_left_alone(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(runs, '_call', fake_tools(calls, fail_first=True))
    config = write_config(tmp_path / 'c.py')
    run = Run(config, 7, tmp_path / 'run', ('x=1',))
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
    assert run.finished().percent == 50
    assert math.isnan(run.finished().seconds)  # of an interrupted training
    with pytest.raises(RuntimeError, match='another version of .*, or with other options: remove'):
        train_and_test(replace(run, options=('model.type=B',)))
    write_config(config, kind='B')
    with pytest.raises(RuntimeError, match='was trained with another version of'):
        train_and_test(run)


def test_a_call_counts_time_and_memory_and_names_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, 'TOOLS', tmp_path)
    (tmp_path / 'tool.py').write_text(
        'import sys, time\n'
        'block = bytearray(64 << 20)\n'
        'while time.process_time() < 0.3: pass\n'
        'sys.exit(int(sys.argv[2]))\n'
    )
    run = Run(tmp_path / 'c.py', 0, tmp_path)
    took = runs._call(run, 1, 'tool.py', ['0'], Processes())
    assert 0.3 <= took['cpu_seconds'] < 5 and took['seconds'] > 0.2
    assert 64 < took['memory_mib'] < 4096
    with pytest.raises(RuntimeError, match='tool.py of c with seed 0 ended with 3: see .*log.txt'):
        runs._call(run, 1, 'tool.py', ['3'], Processes())
