# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Sum up a demo run: print its AP and draw the people found beside the true ones.

Usage: python tools/demo_report.py FOLDER

FOLDER holds what `make demo` leaves: data/, test/metrics.json and
test/predictions.keypoints.json (CocoMetric's results). Writes FOLDER/pictures/*.png (truth left,
prediction right) and FOLDER/pictures/overview.png.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

PICTURES = 12
COLOURS = {'left': (80, 220, 60), 'right': (250, 130, 40), 'middle': (60, 200, 250)}  # BGR


def side(*names: str) -> str:
    """Which side of the body a keypoint or a limb belongs to."""
    sides = {name.split('_')[0] for name in names}
    return sides.pop() if len(sides) == 1 and sides <= {'left', 'right'} else 'middle'


def draw_person(image: np.ndarray, keypoints: np.ndarray, category: dict) -> None:
    """Draw one person's skeleton in place.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        keypoints (np.ndarray): (K, 3), x and y in pixels, drawn where the third is above 0.
        category (dict): COCO category with ``keypoints`` and ``skeleton``.
    """
    names = category['keypoints']
    for a, b in np.asarray(category['skeleton']) - 1:
        if keypoints[a, 2] > 0 and keypoints[b, 2] > 0:
            ends = [tuple(int(round(float(v))) for v in keypoints[i, :2]) for i in (a, b)]
            cv2.line(image, *ends, COLOURS[side(names[a], names[b])], 2, cv2.LINE_AA)
    for name, (x, y, seen) in zip(names, keypoints, strict=True):
        if seen > 0:
            cv2.circle(image, (round(float(x)), round(float(y))), 3, COLOURS[side(name)], -1)


def draw_pair(image: np.ndarray, truth: list, found: list, category: dict) -> np.ndarray:
    """True people on the left, the people found on the right."""
    left, right = image.copy(), image.copy()
    for annotation in truth:
        draw_person(left, np.reshape(annotation['keypoints'], (-1, 3)), category)
    for result in found:
        keypoints = np.reshape(result['keypoints'], (-1, 3))
        keypoints[:, 2] = keypoints[:, 2] > 0.3
        draw_person(right, keypoints, category)
    return np.hstack([left, right])


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
    pictures.mkdir(exist_ok=True)
    pairs = []
    for image in data['images'][:PICTURES]:
        pixels = cv2.imread(str(folder / 'data/val' / image['file_name']))
        pair = draw_pair(
            pixels, truth[image['id']], found.get(image['id'], []), data['categories'][0]
        )
        cv2.imwrite(str(pictures / Path(image['file_name']).with_suffix('.png')), pair)
        pairs.append(pair)
    rows = [np.hstack(pairs[i : i + 2]) for i in range(0, 6, 2)]
    cv2.imwrite(str(pictures / 'overview.png'), np.vstack(rows))
    for name in ('coco/AP', 'coco/AP .5', 'coco/AP .75', 'coco/AR'):
        print(f'{name:12s} {metrics[name]:.3f}')
    print(f'{len(pairs)} pictures, truth left and prediction right: {pictures}')


if __name__ == '__main__':
    main()
