# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Summarize a demo run: print its AP and draw the people found next to the ground truth.

Usage: python tools/demo_report.py FOLDER

FOLDER holds the output of `make demo`: data/, test/metrics.json and test/predictions.keypoints.json
(CocoMetric's results). The script writes FOLDER/pictures/*.png (ground truth left, prediction
right) and FOLDER/pictures/overview.png.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from mmpose_ext.apps.shared.piped_output import piped_output
from mmpose_ext.visualization.canvas import Canvas
from mmpose_ext.visualization.contact_sheet import write_png
from mmpose_ext.visualization.skeleton import Skeleton

PICTURES = 12
ON_OVERVIEW = 6


def draw_pair(image: np.ndarray, truth: list, found: list, skeleton: Skeleton) -> np.ndarray:
    """Draw the ground truth on the left and the people found on the right."""
    left, right = Canvas(image), Canvas(image)
    for canvas, people, threshold in ((left, truth, 0), (right, found, 0.3)):
        for person in people:
            keypoints = np.reshape(person['keypoints'], (-1, 3)).astype(float)
            skeleton.draw(canvas, keypoints[:, :2], keypoints[:, 2] > threshold)
    return np.hstack([left.picture, right.picture])


def by_image(records: list) -> dict[int, list]:
    """Group annotations or results by image id."""
    groups = defaultdict(list)
    for record in records:
        groups[record['image_id']].append(record)
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder
    data = json.loads((folder / 'data/annotations/person_keypoints_val.json').read_text())
    results = json.loads((folder / 'test/predictions.keypoints.json').read_text())
    metrics = json.loads((folder / 'test/metrics.json').read_text())
    truth = by_image(data['annotations'])
    found = by_image([result for result in results if result['score'] > 0.3])
    pictures = folder / 'pictures'
    skeleton = Skeleton.from_category(data['categories'][0])
    pairs = []
    for image in data['images'][:PICTURES]:
        pixels = cv2.imread(str(folder / 'data/val' / image['file_name']))
        pairs.append(draw_pair(pixels, truth[image['id']], found.get(image['id'], []), skeleton))
        write_png(pictures / Path(image['file_name']).with_suffix('.png'), pairs[-1])
    rows = [np.hstack(pairs[i : i + 2]) for i in range(0, ON_OVERVIEW, 2)]
    write_png(pictures / 'overview.png', np.vstack(rows))
    for name in ('coco/AP', 'coco/AP .5', 'coco/AP .75', 'coco/AR'):
        print(f'{name:12s} {metrics[name]:.3f}')
    print(f'{len(pairs)} pictures (left ground truth, right prediction): {pictures}')


if __name__ == '__main__':
    with piped_output():
        main()
