# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Label people without keypoints with a single-person model (StrongPose, Section III-E).

Usage: python tools/label_small_people.py CONFIG CHECKPOINT ANN_FILE IMAGE_DIR OUT_FILE

CONFIG is any top-down config of this project and CHECKPOINT its weights. The script crops each
person of ANN_FILE without a labeled keypoint that is not a crowd by its box, and runs the model on
it. OUT_FILE is ANN_FILE with these people's keypoints and num_keypoints filled in. These
annotations have the config's name under "keypoints_by"; all others are unchanged.
"""

import argparse

from mmpose_ext.apps.shared.arguments import add_setting
from mmpose_ext.apps.shared.piped_output import piped_output
from mmpose_ext.apps.small_people.labeling import label_small_people
from mmpose_ext.datasets import DataError
from mmpose_ext.engine import CheckpointError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='a top-down config')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('ann_file', help='COCO keypoint file')
    parser.add_argument('image_dir', help='folder of its images')
    parser.add_argument('out_file', help='JSON file to write')
    label = label_small_people
    add_setting(parser, '--device', label, 'torch device')
    add_setting(parser, '--batch-size', label, 'people per batch')
    text = 'smallest score of a keypoint; others stay unlabeled'
    add_setting(parser, '--keypoint-thr', label, text)
    text = 'smallest number of such keypoints; people with fewer stay unchanged'
    add_setting(parser, '--least-keypoints', label, text)
    parser.add_argument('--max-area', type=float, help='largest area of a person; default: any')
    args = parser.parse_args()
    try:
        labeled, people = label_small_people(**vars(args))
    except (CheckpointError, DataError, OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from None
    print(f'{args.out_file}: {labeled} of {people} people without keypoints are now labeled')


if __name__ == '__main__':
    with piped_output():
        main()
