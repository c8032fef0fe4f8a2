# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Fixtures: a small valid keypoint file, its images, and its validation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from keypoint_file import HEIGHT, WIDTH, valid_content

from mmpose_ext.datasets.validation import Report, validate


@pytest.fixture
def content() -> dict:
    return valid_content()


@pytest.fixture
def images(tmp_path) -> Path:
    """Write the content's three images to a folder."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in (1, 2, 3):
        picture = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), picture)
    return folder


@pytest.fixture
def look(tmp_path) -> Callable[..., Report]:
    """Return ``look(content, **settings)``, which writes the content and validates it."""

    def run(content: object, *args, **settings) -> Report:
        path = tmp_path / 'people.json'
        path.write_text(json.dumps(content))
        return validate(path, *args, **settings)

    return run
