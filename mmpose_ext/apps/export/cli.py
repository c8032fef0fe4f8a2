# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write a trained model as an ONNX file and compare its results with PyTorch's."""

import argparse
import sys

import cv2
import numpy as np

from mmpose_ext.apps.export import export_onnx
from mmpose_ext.apps.export.graph import INPUT_KINDS
from mmpose_ext.apps.shared.arguments import (
    add_config_options,
    add_setting,
    command_line_message,
    default_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('config', help='an mmpose config')
    parser.add_argument('checkpoint', help='its checkpoint; only its weights are loaded')
    parser.add_argument('--out', required=True, help='the file to write (.onnx)')
    add_setting(
        parser,
        '--input',
        export_onnx,
        'images (B, H, W, 3) BGR as uint8 or float32, or normalized (B, 3, H, W)',
        'input_kind',
        choices=INPUT_KINDS,
    )
    parser.add_argument(
        '--decode', action='store_true', help='top-down: output keypoints and scores, not maps'
    )
    parser.add_argument(
        '--fixed-size', action='store_true', help="accept only images of the config's input size"
    )
    parser.add_argument(
        '--images',
        nargs='+',
        default=default_of(export_onnx, 'images'),
        metavar='FILE',
        help='more images to compare with',
    )
    add_setting(
        parser,
        '--tolerance',
        export_onnx,
        "largest distance from PyTorch's keypoints, in input pixels",
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 1 beyond the tolerance, 2 if nothing was written."""
    try:
        done = export_onnx(
            args.config,
            args.checkpoint,
            args.out,
            input_kind=args.input,
            decode=args.decode,
            fixed_size=args.fixed_size,
            images=[_read(file) for file in args.images],
            tolerance=args.tolerance,
            options=args.cfg_options,
        )
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    print(f'{done.path}: {done.path.stat().st_size / 2**20:.1f} MiB; {done.verification}')
    if not done.verification.passed:
        print("error: the file's results are not PyTorch's; do not use it", file=sys.stderr)
        return 1
    return 0


def _read(file: str) -> np.ndarray:
    image = cv2.imread(file, cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f'{file} cannot be read as an image')
    return image
