# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Cut the people of a config's training set out of their images once (docs/data-loading.md).

It writes a pack next to each annotation file (annotations/NAME.json, annotations/NAME.pack). It
resumes where it was stopped, and several runs may work at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys

import cv2

from mmpose_ext.apps.pack import PackJob, check_pack, fill_pack, plan_packs, prepare_pack
from mmpose_ext.apps.pack.crops import require_crops
from mmpose_ext.apps.pack.writer import QUALITY, SIZE
from mmpose_ext.apps.shared.arguments import add_config_options, command_line_message
from mmpose_ext.apps.shared.batches import progress_bar
from mmpose_ext.datasets.pack import Meta
from mmpose_ext.utils.ranges import require_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument(
        'configs', nargs='+', metavar='CONFIG',
        help='top-down configs of mmpose or of this package that will train from the pack',
    )  # fmt: skip
    parser.add_argument(
        '--size',
        type=int,
        help=f"longest side of a crop (an existing pack's, otherwise {SIZE})",
    )
    parser.add_argument(
        '--quality',
        type=int,
        help=f"quality of the JPEGs (an existing pack's, otherwise {QUALITY})",
    )
    parser.add_argument(
        '--out', metavar='PACK', help='path of the pack (next to each annotation file)'
    )
    parser.add_argument('--workers', type=int, default=1, help='processes (1)')
    parser.add_argument('--anew', action='store_true', help='discard the crops of an existing pack')
    parser.add_argument(
        '--check', action='store_true', help='write nothing; check all crops and images'
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 1 if a check found faults, 2 on errors."""
    cv2.setNumThreads(1)
    try:
        require_crops(args.size, args.quality)
        require_least(1, workers=args.workers)
        with contextlib.redirect_stdout(None):  # pycocotools prints messages
            jobs = plan_packs(args.configs, args.cfg_options, args.out)
        if args.check:
            return max(_check(job) for job in jobs)
        for job in jobs:
            _write(job, args)
    except (ValueError, OSError, ImportError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    return 0


def _check(job: PackJob) -> int:
    people, wrong = check_pack(job)
    for what in wrong[:20]:
        print(what)
    print(f'{job.path}: {people} people, {len(wrong)} fault(s)')
    return 1 if wrong else 0


def _write(job: PackJob, args: argparse.Namespace) -> None:
    meta = prepare_pack(job, args.size, args.quality, args.anew)
    fork = multiprocessing.get_context('fork')
    others = [
        fork.Process(target=_fill_quietly, args=(job, meta), daemon=True)  # ends with the command
        for _ in range(args.workers - 1)
    ]
    for process in others:
        process.start()
    with progress_bar(sys.stderr is not None and sys.stderr.isatty()) as bar:
        task = bar.add_task(f'packing {job.path}', total=None)
        people = fill_pack(
            job,
            meta,
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda process: print(
                f'waiting for process {process}, which also writes {job.path}', file=sys.stderr
            ),
        )
    for process in others:
        process.join()
    size = (job.path / 'data.mdb').stat().st_size
    print(f'{job.path}: {people} people, {size / 2**20:.1f} MiB')


def _fill_quietly(job: PackJob, meta: Meta) -> None:
    """Fill the pack; ignore errors, because the first process meets and reports them too."""
    with contextlib.suppress(ValueError, OSError, KeyboardInterrupt):
        fill_pack(job, meta)
