# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""List the faults of a keypoint file.

The exit status is 0 without errors, 1 with errors and 2 if the command itself is wrong.
"""

from __future__ import annotations

import argparse
import sys

from mmpose_ext.apps.shared.arguments import command_line_message, default_of
from mmpose_ext.datasets.validation import (
    DEPTHS,
    FORMATS,
    DataError,
    Finding,
    Report,
    check_detections,
    read_json,
    validate,
)
from mmpose_ext.datasets.validation.values import is_id
from mmpose_ext.utils.atomic_files import require_writable
from mmpose_ext.utils.metainfo import keypoint_names, load_metainfo
from mmpose_ext.utils.ranges import require_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument('file', help="COCO's or MPII's JSON, or joints.mat of LSP or LSPET")
    parser.add_argument(
        '--images', metavar='DIR', help='folder that the file names are relative to'
    )
    parser.add_argument(
        '--depth',
        choices=DEPTHS,
        help='annotations: the file alone; files: that the images exist; headers: also their sizes '
        'and ends; images: decodes each (default: files with --images, else annotations)',
    )
    parser.add_argument(
        '--format',
        choices=FORMATS,
        default=default_of(validate, 'format'),
        help='format of the file (default: by its content)',
    )
    parser.add_argument(
        '--num-keypoints',
        type=int,
        metavar='K',
        help="keypoints per person (default: as the file's category says)",
    )
    parser.add_argument(
        '--metainfo',
        metavar='FILE',
        help="the data set's metainfo, in mmpose's configs or a file: its K keypoints in order",
    )
    parser.add_argument('--detections', metavar='FILE', help='person detections to check too')
    parser.add_argument(
        '--no-people', action='store_true', help='accept a file without usable people'
    )
    parser.add_argument('--workers', type=int, metavar='N', help='threads that read images')
    parser.add_argument('--json', metavar='OUT', help='write all findings to this file')
    parser.add_argument(
        '--limit',
        type=int,
        default=20,
        metavar='N',
        help='number of annotations to list, 0 for all (20)',
    )
    parser.add_argument('--strict', action='store_true', help='warnings count as errors')


def run(args: argparse.Namespace) -> int:
    """Validate the file, print its faults and return the exit status."""
    try:
        require_least(0, limit=args.limit)
        require_least(1, num_keypoints=args.num_keypoints, workers=args.workers)
        require_writable(args.json)
        info = load_metainfo(dict(from_file=args.metainfo) if args.metainfo else {})
        names = keypoint_names(info) if info else None
        report = validate(
            args.file,
            args.images,
            args.depth,
            args.format,
            args.num_keypoints or (len(names) if names else None),
            needs_people=not args.no_people,
            workers=args.workers,
            keypoint_names=names,
        )
        if args.detections:
            report.findings += _detection_findings(args.file, args.detections)
        if args.json:
            report.write(args.json)
    except (ValueError, OSError) as error:
        print(f'error: {command_line_message(error)}', file=sys.stderr)
        return 2
    _show(report, args.limit)
    return 0 if report.is_ok(args.strict) else 1


def _detection_findings(ann_file: str, detections: str) -> list[Finding]:
    try:
        content = read_json(ann_file, 'annotation file')
        known = {image['id'] for image in content['images'] if is_id(image['id'])}
        return check_detections(read_json(detections, 'detection file'), known, ann_file, content)
    except DataError as error:
        return [Finding('file-unreadable', detail=str(error))]
    except (KeyError, TypeError):
        return []  # the annotation file's own findings say so


def _show(report: Report, limit: int) -> None:
    for line in report.summary():
        print(line)
    if report.findings:
        print('\nBy annotation')
        for line in report.by_annotation(limit or None):
            print(line)
        print()
    print(report.headline())
