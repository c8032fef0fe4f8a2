# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Make a synthetic multi-person keypoint data set."""

from __future__ import annotations

import argparse
import sys

from ..shared.arguments import add_setting, command_line_message
from .folder import IMAGES, SPLITS
from .writer import generate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('--out', required=True, help='folder of the data set; created if missing')
    for split, text in zip(SPLITS, ('training', 'validation', 'test')):
        images = IMAGES.get(split, 0)
        parser.add_argument(
            f'--{split}', type=int, default=images, help=f'{text} images ({images})'
        )
    text, ends = 'fewest and most people per image', ('MIN', 'MAX')
    add_setting(parser, '--people', generate, text, nargs=2, metavar=ends)
    text, sides = 'image size in pixels', ('WIDTH', 'HEIGHT')
    add_setting(parser, '--size', generate, text, 'image_size', nargs=2, metavar=sides)
    add_setting(parser, '--seed', generate, 'the same seed gives the same bytes')
    add_setting(parser, '--quality', generate, 'JPEG quality, 1 to 100')
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
            {split: getattr(args, split) for split in SPLITS},
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
