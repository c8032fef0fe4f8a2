# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw the worst people and false positives of a test run, with ground truth and prediction."""

import argparse
import sys

from mmpose_ext.apps.look.worst_cases import write_worst_cases
from mmpose_ext.apps.shared.arguments import add_setting, command_line_message, default_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('results', help="the keypoints JSON of CocoMetric's outfile_prefix")
    parser.add_argument('--ann', required=True, help='the COCO-format annotation file of the test')
    parser.add_argument(
        '--images', required=True, metavar='DIR', help='folder that its file names are relative to'
    )
    parser.add_argument('--out', required=True, help='folder for pictures and cases.csv')
    worst = write_worst_cases
    add_setting(parser, '--number', worst, 'people, and false positives, to draw', metavar='N')
    add_setting(parser, '--match-thr', worst, 'smallest OKS of a match')
    add_setting(parser, '--score-thr', worst, 'draw predictions with a higher score')
    parser.add_argument(
        '--metainfo',
        default=default_of(worst, 'metainfo'),
        help="the data set's metainfo: a path in mmpose's configs or a file (COCO's)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 1 if some images failed, 2 if nothing was done."""
    try:
        worst = write_worst_cases(
            args.results,
            args.ann,
            args.images,
            args.out,
            number=args.number,
            match_thr=args.match_thr,
            score_thr=args.score_thr,
            metainfo=args.metainfo,
        )
    except (ValueError, OSError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    kinds = [case.kind for case in worst.cases]
    for kind in ('found', 'missed', 'false positive'):
        print(f'{kind:15s}{kinds.count(kind):7d}')
    print(f'{len(worst.pictures)} pictures and {worst.table.name} in {args.out}')
    for failure in worst.failures:
        print(f'not drawn: {failure}', file=sys.stderr)
    return 1 if worst.failures else 0
