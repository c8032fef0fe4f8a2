# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The results on docs/compare.md are those of docs/results/lspet_compare.jsonl."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmpose_ext.apps.compare.finished import read_finished
from mmpose_ext.apps.compare.results import compare
from mmpose_ext.apps.compare.runs import digest_of_config

ROOT = Path(__file__).parents[2]
RUNS = read_finished(ROOT / 'docs' / 'results' / 'lspet_compare.jsonl')
CONFIGS = sorted((ROOT / 'configs' / 'compare').glob('*.py'))


def cells_of(name: str) -> list[str]:
    """Return the last four cells of a config's row: seeds, PCK, spread, difference."""
    lines = (ROOT / 'docs' / 'compare.md').read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f'| `{name}` |')]
    return [cell.strip() for cell in line.strip('|').split('|')][-4:]


def test_every_finished_run_has_a_config():
    assert {run.name for run in RUNS} <= {config.stem for config in CONFIGS}
    assert len(RUNS) == len({(run.name, run.seed) for run in RUNS}) > 0


@pytest.mark.parametrize('config', CONFIGS, ids=lambda config: config.stem)
def test_row(config):
    rows = {row.name: row for row in compare(RUNS, 'simplebaseline')}
    row = rows.get(config.stem)
    if row is None:
        assert cells_of(config.stem) == ['0', 'not run', '', '']
        return
    spread = f'{row.spread:.1f}' if row.seeds > 1 else ''
    difference = f'{row.difference:+.1f} ({row.low:+.1f} to {row.high:+.1f})'
    if config.stem == 'simplebaseline':
        difference = ''
    assert cells_of(config.stem) == [str(row.seeds), f'{row.mean:.1f}', spread, difference]
    assert {run.digest for run in RUNS if run.name == config.stem} == {digest_of_config(config)}


@pytest.mark.parametrize('config', CONFIGS, ids=lambda config: config.stem)
def test_runs_with_data_elsewhere_count(config):
    places = [f'{name}_dataloader.dataset.data_root=/data/' for name in ('train', 'val', 'test')]
    assert digest_of_config(config, places) == digest_of_config(config)
    assert digest_of_config(config, [*places, 'train_cfg.max_epochs=2']) != digest_of_config(config)
