# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw training samples with the codec's targets; with a checkpoint its predicted maps too."""

import argparse
import sys

from mmengine.config import DictAction

from mmpose_ext.apps.look.browsing import SPLITS, browse
from mmpose_ext.apps.shared.arguments import command_line_message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options to a parser."""
    parser.add_argument('config', help='a config of mmpose or of this package')
    parser.add_argument('--out', required=True, help='folder for the pictures')
    parser.add_argument('--number', type=int, default=8, metavar='N', help='samples to draw (8)')
    parser.add_argument('--start', type=int, default=0, metavar='I', help="the first's index (0)")
    parser.add_argument(
        '--split', choices=SPLITS, default='train', help='whose images and annotations (train)'
    )
    parser.add_argument('--checkpoint', help="draw its predictions and its layers' attention too")
    parser.add_argument('--device', help='cpu, cuda:0, ... (a GPU where there is one)')
    parser.add_argument('--seed', type=int, default=0, help='of the augmentation (0)')
    parser.add_argument('--zoom', type=int, help='picture pixels an input pixel (by the input)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='config settings'
    )


def run(args: argparse.Namespace) -> int:
    """Draws; returns the exit status: 2 where nothing could be drawn."""
    try:
        paths = browse(
            args.config,
            args.out,
            number=args.number,
            start=args.start,
            split=args.split,
            checkpoint=args.checkpoint,
            device=args.device,
            seed=args.seed,
            zoom=args.zoom,
            options=args.cfg_options,
        )
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    print(f'{len(paths)} pictures in {args.out}')
    return 0
