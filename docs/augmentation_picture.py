# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw the distributions of the augmentations: `python docs/augmentation_picture.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.config import Config
from mmpose.registry import TRANSFORMS

import mmpose_ext  # noqa: F401 (registers everything)

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / 'docs' / 'images' / 'augmentation.png'
#: title: (base config, name in it) of the transform
SOURCES = {
    'SimpleBaseline: CLNet-ResNet, FR-SBN, attention': ('topdown_augmentation', 'augmentation'),
    'Newell: CLNet-Hourglass': ('schedule_newell', 'newell_augmentation'),
}
MMPOSE = dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.7, 1.3), rotate_factor=40)


def transforms() -> dict[str, dict]:
    """Return the transforms' configs by title."""
    found = {}
    for title, (file, name) in SOURCES.items():
        pipeline = Config.fromfile(ROOT / 'configs' / '_base_' / f'{file}.py')[name]
        (found[title],) = (step for step in pipeline if 'BBoxTransform' in step.type)
    return {**found, 'RandomBBoxTransform(rotate_factor=40) of mmpose': MMPOSE}


def draw(transform: dict, number: int = 100_000) -> tuple[np.ndarray, np.ndarray]:
    """Draw rotations in degrees and scales, ``number`` of each."""
    np.random.seed(0)
    boxes = dict(bbox_center=np.zeros((number, 2), np.float32))
    boxes['bbox_scale'] = np.ones((number, 2), np.float32)
    result = TRANSFORMS.build(transform)(boxes)
    return result['bbox_rotation'], result['bbox_scale'][:, 0]


@matplotlib.style.context('default')
def picture(path: Path = PICTURE) -> None:
    """Draw a row of two histograms for each transform, in matplotlib's own style."""
    rows = transforms()
    figure = Figure(figsize=(8, 2 * len(rows)), layout='constrained')
    for (left, right), (title, transform) in zip(figure.subplots(len(rows), 2), rows.items()):
        rotations, scales = draw(transform)
        rotated = rotations[rotations != 0]
        _histogram(left, rotated, np.arange(-86, 87, 4), 'rotation of the rotated, degrees')
        _histogram(right, scales, np.arange(0.69, 1.44, 0.02), 'scale')
        left.set_title(title, fontsize=9)
    figure.savefig(path, dpi=100)


def _histogram(axes: Axes, values: np.ndarray, edges: np.ndarray, name: str) -> None:
    axes.hist(values, edges, weights=np.full(len(values), 100 / len(values)))
    axes.set_xlabel(f'{name}; standard deviation {values.std():.3g}', fontsize=8)
    axes.set_ylabel('%')


if __name__ == '__main__':
    picture()
