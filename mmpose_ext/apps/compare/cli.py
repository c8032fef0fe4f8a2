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
from threading import Lock

from mmpose_ext.apps.complexity import complexity_of_config
from mmpose_ext.apps.shared.arguments import (
    add_config_options,
    command_line_message,
    parse_options,
)
from mmpose_ext.utils.atomic_files import require_writable, write_atomically
from mmpose_ext.utils.errors import ArgumentError
from mmpose_ext.utils.ranges import MOST_SEED, require_least, require_range

from .finished import Finished, add_finished, read_finished
from .processes import Processes, ending_with
from .report import draw_plot, to_markdown, write_csv
from .results import compare
from .runs import THREADS, Run, digest_of_config, train_and_test


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        'configs', nargs='+', type=Path, help='the first one is the baseline; each counts once'
    )
    parser.add_argument('--work-dir', type=Path, required=True, help='folder for all runs')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='seeds (0 1 2)')
    parser.add_argument('--jobs', type=int, default=1, help='number of runs at a time (1)')
    parser.add_argument('--threads', type=int, default=THREADS, help=f'threads per run ({THREADS})')
    parser.add_argument(
        '--finished',
        type=Path,
        metavar='FILE',
        help='results of finished runs, which are not trained again; new ones are added (default: '
        'finished.jsonl in the work directory)',
    )
    parser.add_argument('--report-only', action='store_true', help='only compare the finished runs')
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run what is missing, then write the comparison; return the exit status: 1 if a run failed."""
    try:
        return _run(args)
    except (ValueError, OSError) as error:
        print(f'No comparison: {command_line_message(error)}', file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    require_least(1, jobs=args.jobs, threads=args.threads)
    for seed in args.seeds:
        require_range(0, MOST_SEED, seeds=seed)
    configs = list(dict.fromkeys(args.configs))
    if len({config.stem for config in configs}) < len(configs):
        raise ValueError('two configs have the same name: rename one')
    require_writable(args.finished, args.work_dir / 'comparison.csv')
    options = tuple(args.option_words)
    # first of all, because they also find a config that cannot be read
    costs = {
        config.stem: complexity_of_config(config, parse_options(options))[0] for config in configs
    }
    args.work_dir.mkdir(parents=True, exist_ok=True)
    runs = [
        Run(config, seed, args.work_dir / config.stem / f'seed{seed}', options)
        for seed in args.seeds
        for config in configs
    ]
    file = args.finished or args.work_dir / 'finished.jsonl'
    done = _finished(runs, file)
    missing = [item for item in runs if (item.name, item.seed) not in done]
    failed = [] if args.report_only else _run_all(missing, file, args.jobs, args.threads)
    done = _finished(runs, file)
    found = [done[key] for key in ((item.name, item.seed) for item in runs) if key in done]
    rows = compare(found, configs[0].stem)
    write_csv(args.work_dir / 'comparison.csv', rows, costs)
    draw_plot(args.work_dir / 'comparison.png', rows, configs[0].stem)
    table = to_markdown(rows, costs, configs[0].stem)
    write_atomically(args.work_dir / 'comparison.md', table.encode())
    print(table, end='')
    return 1 if failed else 0


def _finished(runs: list[Run], file: Path) -> dict[tuple[str, int], Finished]:
    """Read the finished runs of the file.

    Raises:
        ArgumentError: If one of them trained another version of its config, or had other options.
    """
    found = {(item.name, item.seed): item for item in read_finished(file)}
    for config, options in {(item.config, item.options) for item in runs}:
        digest = digest_of_config(config, options)
        old = [item for item in found.values() if item.name == config.stem]
        if any(item.digest != digest for item in old):
            raise ArgumentError(
                '{file} has runs of another version of {config}, or with other settings by {}: '
                'remove their lines, or name another file by {}',
                'options',
                'finished',
                file=file,
                config=config,
            )
    return found


def _run_all(runs: list[Run], file: Path, jobs: int, threads: int) -> list[str]:
    """Run all in order and add them to the file; a failed run does not stop the others."""
    failed = []
    writing = Lock()
    processes = Processes()

    def work(item: Run) -> None:
        try:
            train_and_test(item, threads, processes)
        except RuntimeError as error:
            failed.append(str(error))
            print(error, file=sys.stderr)
            return
        with writing:
            add_finished(file, item.finished())
        print(f'{item.name} seed {item.seed}: done', file=sys.stderr)

    with ThreadPoolExecutor(jobs) as pool:
        with ending_with(processes):
            list(pool.map(work, runs))
    return failed
