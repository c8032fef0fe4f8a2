# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw training samples with the codec's targets and, with a checkpoint, predicted maps."""

import argparse
import sys

from mmpose_ext.apps.look.browsing import SPLITS, browse
from mmpose_ext.apps.shared.arguments import add_config_options, add_setting, command_line_message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('config', help='a config of mmpose or of this package')
    parser.add_argument('--out', required=True, help='folder for the pictures')
    add_setting(parser, '--number', browse, 'samples to draw', metavar='N')
    add_setting(parser, '--start', browse, 'index of the first sample', metavar='I')
    add_setting(parser, '--split', browse, 'data set of the images and annotations', choices=SPLITS)
    parser.add_argument(
        '--checkpoint', help="also draw this checkpoint's predictions and its layers' attention"
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (a GPU if there is one)')
    add_setting(parser, '--seed', browse, 'seed of the augmentation')
    parser.add_argument(
        '--zoom', type=int, help='picture pixels per input pixel (depends on the input size)'
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 2 if nothing could be drawn."""
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
    except (ValueError, OSError, RuntimeError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    print(f'{len(paths)} pictures in {args.out}')
    return 0
