# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Make a synthetic multi-person keypoint data set."""

from __future__ import annotations

import argparse
import sys

from ..shared.arguments import command_line_message
from .writer import generate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('--out', required=True, help='folder of the data set; created if missing')
    parser.add_argument('--train', type=int, default=1000, help='training images (1000)')
    parser.add_argument('--val', type=int, default=200, help='validation images (200)')
    parser.add_argument('--test', type=int, default=0, help='test images (0)')
    parser.add_argument(
        '--people',
        type=int,
        nargs=2,
        default=(1, 4),
        metavar=('MIN', 'MAX'),
        help='fewest and most people per image (1 4)',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(320, 240),
        metavar=('WIDTH', 'HEIGHT'),
        help='image size in pixels (320 240)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='the same seed gives the same bytes (0)'
    )
    parser.add_argument('--quality', type=int, default=92, help='JPEG quality, 1 to 100 (92)')
    parser.add_argument('--workers', type=int, help='processes (2, or 1 on one core)')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a data set that has other settings'
    )
    parser.add_argument('--quiet', action='store_true', help='no progress display')


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    try:
        out = generate(
            args.out,
            {'train': args.train, 'val': args.val, 'test': args.test},
            seed=args.seed,
            people=tuple(args.people),
            image_size=tuple(args.size),
            workers=args.workers,
            overwrite=args.overwrite,
            quality=args.quality,
            progress=not args.quiet,
        )
    except (ValueError, OSError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'stopped: {args.out} is incomplete; the same command rebuilds it', file=sys.stderr)
        return 130
    print(f'{out}: ready')
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command as ``python -m mmpose_ext.apps.synthetic.cli``."""
    parser = argparse.ArgumentParser(prog='mmpose-ext synthetic', description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == '__main__':
    sys.exit(main())
