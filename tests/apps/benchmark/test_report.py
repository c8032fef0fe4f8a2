# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Reports: the CSV's columns, Markdown that parses as tables, and plots."""

import csv

import cv2
import pytest

from mmpose_ext.apps.benchmark import draw_plot, to_markdown, write_csv
from mmpose_ext.apps.benchmark.environment import describe_environment
from mmpose_ext.apps.benchmark.rows import make_rows

ENVIRONMENT = describe_environment('cpu')


@pytest.fixture(scope='module')
def rows():
    """Return rows of two contestants, two cases of a loader, one contestant and three crowds."""
    both = dict(ours=[0.001, 0.003, 0.002], peer=[0.004, 0.006, 0.005])
    rows = make_rows(both, 'config', 'c', 'step', 'ms', 4)
    for case in ('1 worker', '2 workers'):
        rows += make_rows(both, 'config', 'c', 'loader', 'ms per sample', 4, case)
    rows += make_rows(dict(peer=[1234567.0]), 'config', 'c', 'sample', 'bytes')
    for number in (1, 5, 10):
        rows += make_rows(both, 'config', 'c', 'decode', 'ms', 1, f'{number} people')
    return rows


def parse_tables(text):
    """Return Markdown's tables as lists of rows of cells."""
    tables = []
    for line in text.splitlines():
        if not line.startswith('|'):
            tables.append([])
            continue
        assert line.endswith('|')
        tables[-1].append([cell.strip() for cell in line[1:-1].split('|')])
    return [table for table in tables if table]


def test_csv_has_figures_versions_and_hardware(tmp_path, rows):
    write_csv(tmp_path / 'new' / 'out.csv', rows, ENVIRONMENT, 'float32')
    with open(tmp_path / 'new' / 'out.csv', newline='') as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows)
    wanted = 'config contestant measure case unit median low high ratio runs batch'.split()
    wanted += 'samples_per_second dtype device device_name threads cores'.split()
    wanted += 'python torch cuda mmengine mmcv mmpose mmpose_ext'.split()
    assert set(wanted) <= set(lines[0])
    assert float(lines[0]['median']) == pytest.approx(2.0)  # ms
    assert float(lines[0]['samples_per_second']) == pytest.approx(2000)
    assert float(lines[1]['ratio']) == pytest.approx(2.5)
    assert all(line[name] for line in lines for name in ('torch', 'mmpose', 'device_name'))


def test_markdown_is_tables(rows):
    text = to_markdown(rows, ENVIRONMENT, 'float32')
    common, crowds = parse_tables(text)
    assert common[0] == [
        '', 'step, ms', 'loader, 1 worker, ms per sample', 'loader, 2 workers, ms per sample',
        'sample, bytes',
    ]  # fmt: skip
    assert common[2] == ['ours', '2.00 (1.00)', '0.500 (1.00)', '0.500 (1.00)', '-']
    assert common[3][0] == 'peer' and common[3][-1] == '1,234,567 (1.00)'
    assert crowds[0][1:] == [f'decode, {n} people, ms' for n in (1, 5, 10)]
    for table in (common, crowds):
        assert len({len(row) for row in table}) == 1
        assert set(table[1]) == {'---'}
    assert f'torch {ENVIRONMENT["torch"]}' in text.splitlines()[0]


def test_plot_is_a_picture(tmp_path, rows):
    draw_plot(tmp_path / 'plot.png', rows, 'title')
    picture = cv2.imread(str(tmp_path / 'plot.png'))
    assert picture.shape[0] > 200 and picture.shape[1] > 600
    assert len({tuple(pixel) for pixel in picture.reshape(-1, 3)[::7].tolist()}) > 5
