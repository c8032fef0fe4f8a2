# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The table and the plot on docs/compare.md are those of docs/results/lspet_compare.jsonl."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path

import pytest

from mmpose_ext.apps.compare.finished import read_finished
from mmpose_ext.apps.compare.report import to_markdown
from mmpose_ext.apps.compare.results import Comparison, compare
from mmpose_ext.apps.compare.runs import digest_of_config
from mmpose_ext.apps.complexity import Complexity, complexity_of_config

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / 'docs' / 'results'
RUNS = read_finished(RESULTS / 'lspet_compare.jsonl')
CONFIGS = {path.stem: path for path in sorted((ROOT / 'configs' / 'compare').glob('*.py'))}
BASELINE = 'simplebaseline'


def lines_of_csv() -> dict[str, dict[str, str]]:
    with open(RESULTS / 'lspet' / 'comparison.csv', newline='') as file:
        return {line['name']: line for line in csv.DictReader(file)}


def rows() -> list[Comparison]:
    """Return the figures in the order of the CSV file."""
    found = {row.name: row for row in compare(RUNS, BASELINE)}
    assert found.keys() == lines_of_csv().keys()
    return [found[name] for name in lines_of_csv()]


@pytest.mark.parametrize('name', sorted({run.name for run in RUNS}))
def test_runs_are_of_the_configs(name):
    runs = [run for run in RUNS if run.name == name]
    assert {run.digest for run in runs} == {digest_of_config(CONFIGS[name])}
    assert len({run.seed for run in runs}) == len(runs)


@pytest.mark.parametrize('config', CONFIGS.values(), ids=list(CONFIGS))
def test_runs_with_data_elsewhere_count(config):
    places = [f'{name}_dataloader.dataset.data_root=/data/' for name in ('train', 'val', 'test')]
    assert digest_of_config(config, places) == digest_of_config(config)
    assert digest_of_config(config, [*places, 'train_cfg.max_epochs=2']) != digest_of_config(config)


def test_csv_file_has_the_figures_of_the_runs():
    for row in rows():
        line = lines_of_csv()[row.name]
        for field in fields(Comparison):
            value = getattr(row, field.name)
            if isinstance(value, float):
                assert float(line[field.name]) == pytest.approx(value, abs=1e-4, nan_ok=True)
            else:
                assert line[field.name] == str(value)


def test_costs_are_those_of_the_baseline():
    cost, line = complexity_of_config(str(CONFIGS[BASELINE]))[0], lines_of_csv()[BASELINE]
    assert float(line['params_m']) == pytest.approx(cost.params / 1e6, abs=1e-4)
    assert float(line['gmacs']) == pytest.approx(cost.gmacs, abs=1e-4)


def test_table_is_made_of_the_csv_file():
    costs = {
        name: Complexity(float(line['params_m']) * 1e6, 0, float(line['gmacs']) * 1e9)
        for name, line in lines_of_csv().items()
    }
    table = (RESULTS / 'lspet' / 'comparison.md').read_text()
    assert table == to_markdown(rows(), costs, BASELINE)


def test_page_shows_table_and_plot():
    page = (ROOT / 'docs' / 'compare.md').read_text()
    assert '```{include} results/lspet/comparison.md\n' in page
    assert '](results/lspet/comparison.png)' in page
    assert (RESULTS / 'lspet' / 'comparison.png').read_bytes().startswith(b'\x89PNG')
    listed = {line.split('`')[1] for line in page.splitlines() if line.startswith('| `')}
    assert listed == CONFIGS.keys() - {BASELINE}
