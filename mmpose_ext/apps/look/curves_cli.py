# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw losses, learning rates and metrics of one or more trainings to a PNG file."""

import argparse
import sys

from mmpose_ext.apps.look.training_curves import draw_curves
from mmpose_ext.apps.shared.arguments import command_line_message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument(
        'work_dirs', nargs='+', metavar='WORK_DIR', help='work dirs of mim train, or scalars.json'
    )
    parser.add_argument('--out', required=True, metavar='FILE.png', help='the picture')
    parser.add_argument(
        '--names', nargs='+', metavar='NAME', help='scalars to draw, such as loss coco/AP (all)'
    )
    parser.add_argument('--log', action='store_true', help='logarithmic axes for the losses')


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    try:
        path = draw_curves(args.work_dirs, args.out, args.log, args.names)
    except (ValueError, OSError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    print(f'{len(args.work_dirs)} trainings drawn: {path}')
    return 0
