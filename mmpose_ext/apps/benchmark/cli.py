# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Time a config's codec, network and loader, and mmpose's for comparison (docs/benchmark.md).

It prints Markdown tables of medians, with the median ratio to the config's own in brackets.
"""

from __future__ import annotations

import argparse
import sys

import torch

from mmpose_ext.apps.benchmark import (
    PARTS,
    Settings,
    draw_plot,
    run_benchmark,
    to_markdown,
    write_csv,
)
from mmpose_ext.apps.benchmark.contestants import MEASURES
from mmpose_ext.apps.benchmark.environment import describe_environment
from mmpose_ext.apps.benchmark.fast_steps import VARIANTS
from mmpose_ext.apps.benchmark.networks import DTYPES
from mmpose_ext.apps.benchmark.noise_errors import ERRORS
from mmpose_ext.apps.benchmark.timing import CLOCKS
from mmpose_ext.apps.shared.arguments import (
    add_config_options,
    add_setting,
    command_line_message,
    command_line_text,
    default_of,
)
from mmpose_ext.utils.atomic_files import require_writable, write_atomically
from mmpose_ext.utils.ranges import require_least

#: People per image of the parts 'people' and 'noise', by default.
CROWDS = (1, 5, 10, 20, 30)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('config', help='a config of mmpose or of this package')
    parser.add_argument(
        '--peer',
        nargs='+',
        metavar='CONFIG',
        help="configs to compare with, instead of mmpose's nearest",
    )
    parser.add_argument(
        '--part',
        choices=PARTS,
        default=default_of(run_benchmark, 'part'),
        help="'config': measures of --what (default); 'attention-block' and 'step-memory': time "
        "and memory, each in its own process; 'people': bottom-up codecs by number of people; "
        "'noise': people found, AP and AR of bottom-up codecs on maps with errors; "
        "'fast-training': the step with each setting; 'loading': a training sample by "
        'transform, plain, read faster and from crops',
    )
    parser.add_argument(
        '--what', nargs='+', choices=MEASURES, default=Settings.measures, metavar='MEASURE',
        help=f'measures: {", ".join(MEASURES)} (all)',
    )  # fmt: skip
    _add_conditions(parser)
    _add_loading(parser)
    _add_parts(parser)
    _add_outputs(parser)
    add_config_options(parser)


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, '--runs', Settings, 'runs of each contestant')
    add_setting(parser, '--batch', Settings, 'samples per batch')
    add_setting(parser, '--device', Settings, 'cpu, cuda:0, ...')
    parser.add_argument('--threads', type=int, help="torch's threads on the CPU (torch's default)")
    add_setting(parser, '--dtype', Settings, 'autocast of the network', choices=DTYPES)
    few, many = (' '.join(map(str, numbers)) for numbers in (Settings.people, CROWDS))
    parser.add_argument(
        '--people', type=int, nargs='+', metavar='N',
        help=f"people per image of a bottom-up config ({few}; parts 'people', 'noise': {many})",
    )  # fmt: skip
    text = 'noise on the maps to decode: input pixels on offsets, a hundredth on heatmaps'
    add_setting(parser, '--noise', Settings, text)
    text = "clock for codecs on the CPU; 'thread' excludes other processes' time"
    add_setting(parser, '--clock', Settings, text, choices=CLOCKS)


def _add_loading(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, '--workers', Settings, 'workers of the loaders', nargs='+')
    add_setting(parser, '--batches', Settings, 'batches of a loader to time per run')
    add_setting(parser, '--images', Settings, 'synthetic images for the loaders')
    text = "for the part 'loading': images per second, to compute the cores needed"
    add_setting(parser, '--rate', Settings, text, 'rates', nargs='+', metavar='N')
    text = "for the part 'loading': longest side of a crop in pixels"
    add_setting(parser, '--size', Settings, text)
    parser.add_argument('--data-root', help="root of the config's own data set, for the loaders")


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--variants', nargs='+', choices=VARIANTS, default=Settings.variants, metavar='SETTING',
        help=f"for the part 'fast-training': {', '.join(VARIANTS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        '--errors', nargs='+', choices=ERRORS, default=Settings.errors, metavar='KIND',
        help=f"for the part 'noise': {', '.join(ERRORS)} (both)",
    )  # fmt: skip
    text = 'strengths of these errors in input pixels'
    add_setting(parser, '--rms', Settings, text, 'strengths', nargs='+', metavar='PX')
    parser.add_argument(
        '--annotations', metavar='FILE', help="people for the part 'noise', in COCO format"
    )
    parser.add_argument(
        '--vary', nargs='+', default=Settings.vary, metavar='SETTING=VALUE',
        help="for the part 'noise': also the codec with each of these settings",
    )  # fmt: skip


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--csv', metavar='FILE', help='write the figures with versions and hardware'
    )
    parser.add_argument('--plot', metavar='FILE.png', help='draw the figures as bars or lines')
    parser.add_argument('--markdown', metavar='FILE', help='write the printed tables')


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 2 if nothing could be measured."""
    try:
        notes = _measure(args)
    except (ValueError, OSError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    for note in notes:
        print(f'note: {command_line_text(note)}', file=sys.stderr)
    return 0


def _measure(args: argparse.Namespace) -> list[str]:
    many = CROWDS if args.part in ('people', 'noise') else Settings.people
    settings = Settings(
        runs=args.runs,
        batch=args.batch,
        device=args.device,
        dtype=args.dtype,
        measures=tuple(args.what),
        people=tuple(args.people or many),
        noise=args.noise,
        workers=tuple(args.workers),
        batches=args.batches,
        images=args.images,
        data_root=args.data_root,
        variants=tuple(args.variants),
        rates=tuple(args.rate),
        size=args.size,
        clock=args.clock,
        errors=tuple(args.errors),
        strengths=tuple(args.rms),
        annotations=args.annotations,
        vary=tuple(args.vary),
    )
    require_least(1, threads=args.threads)
    require_writable(args.csv, args.markdown, args.plot)
    if args.threads:
        torch.set_num_threads(args.threads)
    rows, notes = run_benchmark(
        args.config, settings, args.part, args.peer, args.cfg_options, _tell
    )
    environment = describe_environment(args.device)
    text = to_markdown(rows, environment, args.dtype)
    print(text, end='', flush=True)
    if args.csv:
        write_csv(args.csv, rows, environment, args.dtype)
    if args.markdown:
        write_atomically(args.markdown, text.encode())
    if args.plot:
        draw_plot(args.plot, rows, text.splitlines()[0])
    return notes


def _tell(text: str) -> None:
    print(f'measuring {text}', file=sys.stderr, flush=True)
