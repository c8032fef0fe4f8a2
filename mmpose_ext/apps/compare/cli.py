# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Train configs with several seeds and compare them person by person.

Each run trains and tests in separate processes. If you stop the command and call it again, it
continues. It writes comparison.csv, comparison.md and comparison.png.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmpose_ext.apps.benchmark.environment import describe_environment
from mmpose_ext.apps.complexity import complexity_of_config
from mmpose_ext.utils.atomic_files import write_atomically

from .report import draw_plot, to_markdown, write_csv
from .results import compare
from .runs import Run, train_and_test


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument('configs', nargs='+', type=Path, help='the first one is the baseline')
    parser.add_argument('--work-dir', type=Path, required=True, help='folder for all runs')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=1, help='number of runs at a time')
    parser.add_argument('--threads', type=int, default=1, help='threads per run')
    parser.add_argument('--report-only', action='store_true', help='only compare the finished runs')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')


def run(args: argparse.Namespace) -> int:
    """Run what is missing and write the comparison."""
    runs = [
        Run(config, seed, args.work_dir / config.stem / f'seed{seed}', tuple(args.cfg_options))
        for seed in args.seeds
        for config in args.configs
    ]
    failed = [] if args.report_only else _run_all(runs, args.jobs, args.threads)
    try:
        rows = compare(runs, args.configs[0].stem)
    except ValueError as error:
        print(f'No comparison: {error}', file=sys.stderr)
        return 1
    costs = {
        config.stem: complexity_of_config(str(config))[0]
        for config in args.configs
        if any(row.name == config.stem for row in rows)
    }
    write_csv(args.work_dir / 'comparison.csv', rows, costs, describe_environment())
    draw_plot(args.work_dir / 'comparison.png', rows, args.configs[0].stem)
    table = to_markdown(rows, costs)
    write_atomically(args.work_dir / 'comparison.md', table.encode())
    print(table, end='')
    return 1 if failed else 0


def _run_all(runs: list[Run], jobs: int, threads: int) -> list[str]:
    """Run all, seed by seed; a failed run does not stop the others."""
    failed = []

    def work(item: Run) -> None:
        try:
            train_and_test(item, threads)
            print(f'{item.name} seed {item.seed}: done', file=sys.stderr)
        except RuntimeError as error:
            failed.append(str(error))
            print(error, file=sys.stderr)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, runs))
    return failed
