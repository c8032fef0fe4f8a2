# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Time a config's codec, network and loader, and mmpose's nearest, in one run: docs/benchmark.md.

Prints Markdown tables: medians, and in brackets the median of the ratios to the config's own.
"""

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import DictAction

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
from mmpose_ext.apps.benchmark.noise_errors import ERRORS, STRENGTHS
from mmpose_ext.apps.benchmark.runner import check_device
from mmpose_ext.apps.benchmark.timing import CLOCKS
from mmpose_ext.apps.shared.arguments import command_line_message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to a parser."""
    parser.add_argument('config', help='a config of mmpose or of this package')
    parser.add_argument(
        '--peer', nargs='+', metavar='CONFIG', help="instead of mmpose's nearest to the config"
    )
    parser.add_argument(
        '--part',
        choices=PARTS,
        default='config',
        help="'config': what --what names (default); 'attention-block' and 'step-memory': time and "
        "memory, each in a process of its own; 'people': bottom-up codecs by number of people; "
        "'noise': people found, AP and AR of bottom-up codecs on maps with errors; "
        "'fast-training': the step with each of its settings; 'loading': a training sample by "
        'transform, plain, read faster and from crops',
    )
    parser.add_argument(
        '--what', nargs='+', choices=MEASURES, default=MEASURES, metavar='MEASURE',
        help=f'of {", ".join(MEASURES)} (all)',
    )  # fmt: skip
    parser.add_argument('--runs', type=int, default=15, help='turns of each contestant (15)')
    parser.add_argument('--batch', type=int, default=4, help='samples at once (4)')
    parser.add_argument('--device', default='cpu', help='cpu (default), cuda:0, ...')
    parser.add_argument('--threads', type=int, help="of torch on the CPU (torch's own choice)")
    parser.add_argument(
        '--dtype', choices=DTYPES, default='float32', help='autocast of the network (float32)'
    )
    parser.add_argument(
        '--people', type=int, nargs='+', metavar='N',
        help="people in an image of a bottom-up config (5; parts 'people', 'noise': 1 5 10 20 30)",
    )  # fmt: skip
    parser.add_argument(
        '--noise', type=float, default=1.0,
        help='on the maps to decode: input pixels on offsets, a hundredth of it on heatmaps (1)',
    )  # fmt: skip
    parser.add_argument(
        '--clock', choices=CLOCKS, default='wall',
        help="of codecs; 'thread' leaves out what other processes take, on the CPU (wall)",
    )  # fmt: skip
    parser.add_argument(
        '--workers', type=int, nargs='+', default=(1, 2), help='of the loaders (1 2)'
    )
    parser.add_argument('--batches', type=int, default=10, help='timed of a loader a run (10)')
    parser.add_argument('--images', type=int, default=96, help='synthetic, for the loaders (96)')
    parser.add_argument(
        '--variants', nargs='+', choices=VARIANTS, default=(), metavar='SETTING',
        help=f"of the part 'fast-training': {', '.join(VARIANTS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        '--errors', nargs='+', choices=ERRORS, default=ERRORS, metavar='KIND',
        help=f"of the part 'noise': {', '.join(ERRORS)} (both)",
    )  # fmt: skip
    parser.add_argument(
        '--rms', type=float, nargs='+', default=STRENGTHS, metavar='PX',
        help='strengths of these errors in input pixels (0 1 2 3 4 5)',
    )  # fmt: skip
    parser.add_argument(
        '--annotations', metavar='FILE', help="people of the part 'noise', in COCO's format"
    )
    parser.add_argument(
        '--vary', nargs='+', default=(), metavar='SETTING=VALUE',
        help="of the part 'noise': the codec with one other setting each",
    )  # fmt: skip
    parser.add_argument(
        '--rate', type=int, nargs='+', default=(1000, 3000), metavar='N',
        help="of the part 'loading': images a second whose cores are counted (1000 3000)",
    )  # fmt: skip
    parser.add_argument('--data-root', help="of the config's own data set, for the loaders")
    parser.add_argument('--csv', metavar='FILE', help='the figures with versions and hardware')
    parser.add_argument('--plot', metavar='FILE.png', help='the figures as bars or lines')
    parser.add_argument('--markdown', metavar='FILE', help='the tables that are printed')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config settings'
    )


def run(args: argparse.Namespace) -> int:
    """Measures and writes; returns the exit status: 2 where nothing could be measured."""
    many = (1, 5, 10, 20, 30) if args.part in ('people', 'noise') else (5,)
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
        clock=args.clock,
        errors=tuple(args.errors),
        strengths=tuple(args.rms),
        annotations=args.annotations,
        vary=tuple(args.vary),
    )
    try:
        if args.threads:
            torch.set_num_threads(args.threads)
        check_device(args.device)
        rows, notes = run_benchmark(
            args.config, settings, args.part, args.peer, args.cfg_options, _tell
        )
        environment = describe_environment(args.device)
        text = to_markdown(rows, environment, args.dtype)
        print(text, end='', flush=True)
        if args.csv:
            write_csv(args.csv, rows, environment, args.dtype)
        if args.markdown:
            Path(args.markdown).write_text(text)
        if args.plot:
            draw_plot(args.plot, rows, text.splitlines()[0])
    except (ValueError, OSError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    for note in notes:
        print(f'note: {note}', file=sys.stderr)
    return 0


def _tell(text: str) -> None:
    print(f'measuring {text}', file=sys.stderr, flush=True)
