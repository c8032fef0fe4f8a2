# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The picture of the augmentation is up to date with the configs."""

from __future__ import annotations

import importlib.util

import cv2
import matplotlib.style
import numpy as np
import pytest
from markdown_pages import ROOT
from mmengine.registry import init_default_scope

SPEC = importlib.util.spec_from_file_location(
    'augmentation_picture', ROOT / 'docs' / 'augmentation_picture.py'
)
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


@pytest.mark.parametrize('title, rotated, largest, deviation, scales', [
    ('SimpleBaseline', 0.6, 80, 38.4, (0.7, 1.3)),
    ('Newell', 0.4, 60, 28.8, (0.707, 1.414)),
    ('RandomBBoxTransform', 0.6, 40, 21.6, (0.7, 1.3)),
])  # fmt: skip
def test_draws_are_what_the_page_says(title, rotated, largest, deviation, scales):
    init_default_scope('mmpose')
    (transform,) = (found for key, found in script.transforms().items() if key.startswith(title))
    rotations, drawn = script.draw(transform)
    assert np.mean(rotations != 0) == pytest.approx(rotated, abs=0.01)
    rotations = rotations[rotations != 0]
    assert np.abs(rotations).max() == pytest.approx(largest, abs=0.1)
    assert rotations.std() == pytest.approx(deviation, abs=0.2)
    assert (drawn.min(), drawn.max()) == pytest.approx(scales, abs=0.001)


@pytest.mark.skipif(
    matplotlib.__version_info__ < (3, 11),
    reason='matplotlib 3.11 drew the picture; older versions shift axes and texts by a pixel',
)
@pytest.mark.parametrize('style', ['default', 'dark_background'])
def test_picture_is_drawn_anew(tmp_path, style):
    """If this fails, run python docs/augmentation_picture.py."""
    init_default_scope('mmpose')
    with matplotlib.style.context(style):
        script.picture(tmp_path / 'new.png')
    new, old = (
        cv2.imread(str(path)).astype(float) for path in (tmp_path / 'new.png', script.PICTURE)
    )
    assert new.shape == old.shape
    assert np.abs(new - old).mean() < 3  # other fonts and versions of matplotlib


def test_the_difference_shows(tmp_path, monkeypatch):
    """Else the test above measures nothing."""
    init_default_scope('mmpose')
    monkeypatch.setattr(script, 'transforms', lambda: dict.fromkeys(['a', 'b', 'c'], script.MMPOSE))
    script.picture(tmp_path / 'other.png')
    other, old = (
        cv2.imread(str(path)).astype(float) for path in (tmp_path / 'other.png', script.PICTURE)
    )
    assert other.shape != old.shape or np.abs(other - old).mean() > 6
