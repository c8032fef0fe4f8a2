# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Predict people in images, folders, videos and webcams; a top-down config needs boxes."""

import argparse
import sys
from dataclasses import fields

from mmpose_ext.apps.predict import BoxSource, Drawing, predict
from mmpose_ext.apps.predict.settings import DETECTOR_BOX_NMS, DETECTOR_BOX_THR
from mmpose_ext.apps.shared.arguments import (
    add_config_options,
    add_setting,
    command_line_message,
)
from mmpose_ext.apps.shared.failures import report_failures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('config', help='an mmpose config')
    parser.add_argument('checkpoint', help='its checkpoint; only its weights are loaded')
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT', help='image, folder, video or webcam index'
    )
    parser.add_argument('--out', help='folder for results.json and pictures/')
    _add_boxes(parser)
    parser.add_argument('--ann', help='a COCO-format file that gives ids to the file names')
    add_setting(parser, '--batch-size', predict, 'images or people at once')
    parser.add_argument('--device', help='cpu, cuda:0, ... (a GPU if there is one)')
    _add_drawing(parser)
    parser.add_argument(
        '--max-frames', type=int, help='largest number of frames of each video or webcam'
    )
    parser.add_argument('--quiet', action='store_true', help='no progress display')
    add_config_options(parser)


def _add_boxes(parser: argparse.ArgumentParser) -> None:
    boxes = parser.add_argument_group('boxes for a top-down config: one of')
    boxes.add_argument('--det-config', help='an mmdet config, with --det-checkpoint')
    boxes.add_argument('--det-checkpoint', help="the detector's checkpoint")
    boxes.add_argument('--detections', help='a COCO-format detection file; ids need --ann')
    boxes.add_argument(
        '--whole-image', action='store_true', help='each image is one person, as large as the image'
    )
    add_setting(parser, '--det-category', BoxSource, "the detector's class")
    parser.add_argument(
        '--box-thr',
        type=float,
        help=f'use boxes with a higher score ({DETECTOR_BOX_THR}; all with --detections)',
    )
    parser.add_argument(
        '--box-nms',
        type=float,
        help=f'IoU for suppressing duplicate boxes ({DETECTOR_BOX_NMS}; none with --detections)',
    )


def _add_drawing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--no-pictures', action='store_true', help='write only results.json')
    add_setting(parser, '--draw-thr', Drawing, 'draw people with a higher score')
    add_setting(parser, '--keypoint-thr', Drawing, 'draw keypoints with a higher score')
    parser.add_argument('--draw-boxes', action='store_true', help='draw the boxes too')
    parser.add_argument('--show', action='store_true', help='show each picture; Escape or q stops')


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit status: 1 if some inputs failed, 2 if nothing was done."""
    if args.out is None and not args.show:
        print('error: give --out, a folder for the results, or --show', file=sys.stderr)
        return 2
    try:
        found = predict(
            args.config,
            args.checkpoint,
            args.inputs,
            out_dir=args.out,
            boxes=BoxSource(**{each.name: getattr(args, each.name) for each in fields(BoxSource)}),
            drawing=Drawing(
                draw=not args.no_pictures,
                draw_thr=args.draw_thr,
                keypoint_thr=args.keypoint_thr,
                draw_boxes=args.draw_boxes,
                show_window=args.show,
            ),
            ann_file=args.ann,
            batch_size=args.batch_size,
            device=args.device,
            max_frames=args.max_frames,
            progress=not args.quiet,
            options=args.cfg_options,
        )
    except (ValueError, OSError, RuntimeError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    where = f', in {args.out}' if args.out else ''
    print(f'{len(found.results)} people in {found.num_frames} images and frames{where}')
    return report_failures(found.failures)
