# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Print parameters and GFLOPs of configs next to the papers' figures.

Usage: python tools/complexity.py CONFIG [CONFIG ...]      (no CONFIG: every row of the papers)

"Convolutions" counts as the papers do: multiply-adds of convolutions only, with a transposed
convolution counted at its output size, in the paper's unit (1024^3, or 10^9 where marked).
"All" is what the machine must compute, in units of 10^9 multiply-adds. It includes attention
products, and counts transposed convolutions at their input size.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import mmpose_ext  # noqa: F401  registers the components
from mmpose_ext.apps.complexity.counting import complexity_of_config
from mmpose_ext.apps.shared.piped_output import piped_output

ROOT = Path(__file__).resolve().parent.parent
PAPER_ROWS = ROOT / 'docs' / 'results'  # paper_*.csv, one per paper
HEADER = (
    'config',
    'input',
    'params M',
    'paper',
    'diff',
    'convolutions G',
    'paper',
    'diff',
    'all G',
)


def read_paper_rows() -> dict[str, dict[str, str]]:
    """Return the papers' rows by config path; empty if the tables are not installed."""
    rows = {}
    for path in sorted(PAPER_ROWS.glob('paper_*.csv')):
        with open(path, newline='') as file:
            rows.update({row['config']: row for row in csv.DictReader(file)})
    return rows


def difference(ours: float, paper: str) -> str:
    """Return the relative difference to a paper's figure, or '' if the paper has none."""
    return f'{100 * (ours / float(paper) - 1):+.1f} %' if paper else ''


def table_row(config: str, paper: dict[str, str]) -> tuple[str, ...]:
    """Return one line of the table for one config."""
    complexity, (width, height) = complexity_of_config(str(ROOT / config))
    counting = paper.get('counting', 'gibi') or 'gibi'
    params, gmacs = complexity.params / 1e6, complexity.conv_gmacs(counting)
    return (
        config,
        f'{height}x{width}',
        f'{params:.2f}',
        paper.get('params_m', ''),
        difference(params, paper.get('params_m', '')),
        f'{gmacs:.2f}' + (' (10^9)' if counting == 'giga' else ''),
        paper.get('gflops', ''),
        difference(gmacs, paper.get('gflops', '')),
        f'{complexity.gmacs:.2f}',
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='*', help="config files; default: the papers' rows")
    args = parser.parse_args()
    paper_rows = read_paper_rows()
    configs = [
        str(Path(config).resolve().relative_to(ROOT)) if Path(config).exists() else config
        for config in args.configs
    ] or list(paper_rows)
    print('| ' + ' | '.join(HEADER) + ' |')
    print('| ' + ' | '.join('---' for _ in HEADER) + ' |')
    for config in configs:
        print('| ' + ' | '.join(table_row(config, paper_rows.get(config, {}))) + ' |', flush=True)


if __name__ == '__main__':
    with piped_output():
        main()
