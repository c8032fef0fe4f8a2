# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write the person-detection file of a COCO-format set with any mmdet config and checkpoint."""

import argparse
import sys

from mmpose_ext.apps.detect import detect
from mmpose_ext.apps.shared.arguments import add_config_options, add_setting, command_line_message
from mmpose_ext.apps.shared.failures import report_failures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('config', help='an mmdet config')
    parser.add_argument('checkpoint', help='its checkpoint; only its weights are loaded')
    parser.add_argument(
        '--ann', required=True, help='a COCO-format file with the images and their ids'
    )
    parser.add_argument('--images', required=True, help='the folder of the images')
    parser.add_argument('--out', required=True, help='the detection file to write (.json)')
    add_setting(parser, '--category', detect, "the detector's class")
    add_setting(parser, '--score-thr', detect, 'keep boxes with a higher score')
    parser.add_argument('--max-per-image', type=int, help='keep the best boxes of each image (all)')
    add_setting(parser, '--batch-size', detect, 'images at once')
    parser.add_argument('--device', help='cpu, cuda:0, ... (a GPU if there is one)')
    parser.add_argument('--quiet', action='store_true', help='no progress display')
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 1 if some images failed, 2 if nothing was done."""
    try:
        found = detect(
            args.config,
            args.checkpoint,
            args.ann,
            args.images,
            args.out,
            category=args.category,
            score_thr=args.score_thr,
            max_per_image=args.max_per_image,
            batch_size=args.batch_size,
            device=args.device,
            progress=not args.quiet,
            options=args.cfg_options,
        )
    except (ValueError, OSError, RuntimeError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'stopped: {args.out} was not written', file=sys.stderr)
        return 130
    print(f'{args.out}: {len(found.results)} detections')
    return report_failures(found.failures)
