# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""People for maps with errors: synthetic people, or those of an annotation file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .people import STANDING, standing_people

#: Ratio of a person's area to the box's area, COCO's average.
AREA_OF_BOX = 0.53


class Scene(NamedTuple):
    """The N people of an image, in a network's input."""

    points: np.ndarray  #: (N, K, 2) float32 in input pixels
    labeled: np.ndarray  #: (N, K) float32, 0 where a keypoint is not annotated, else 1
    areas: np.ndarray  #: (N,) in square input pixels


def made_up_scenes(
    size: tuple[int, int], people: Sequence[int], images: int, seed: int = 0
) -> list[Scene]:
    """Make scenes of standing people; see :func:`.people.standing_people`.

    Args:
        size (tuple[int, int]): The input's [w, h].
        people (Sequence[int]): Numbers of people per image.
        images (int): Images per number of people.
        seed (int): Seed of the random numbers. Defaults to 0.
    """
    scenes = []
    for number in people:
        rng = np.random.default_rng([seed, number])
        for _ in range(images):
            points = standing_people(size, number, rng)
            sides = points.max(1) - points.min(1)
            labeled = np.ones((number, len(STANDING)), np.float32)
            scenes.append(Scene(points, labeled, AREA_OF_BOX * sides.prod(1)))
    return scenes


def annotated_scenes(path: str | os.PathLike, size: tuple[int, int]) -> list[Scene]:
    """Read the people with keypoints from a COCO-format file, in images scaled to fit the input.

    The scaling is that of mmpose's ``BottomupResize(resize_mode='fit')``, but the image is in the
    input's corner instead of its middle. Crowds are excluded.

    Args:
        path (str | os.PathLike): The annotation file. Images are not read.
        size (tuple[int, int]): The input's [w, h].

    Raises:
        ValueError: If nobody in the file has COCO's 17 keypoints.
    """
    with open(path, encoding='utf-8') as file:
        data = json.load(file)
    people: dict[int, list[dict]] = {}
    for person in data['annotations']:
        if person.get('num_keypoints') and not person.get('iscrowd'):
            people.setdefault(person['image_id'], []).append(person)
    scenes = []
    for image in data['images']:
        persons = people.get(image['id'], [])
        if not persons or len(persons[0]['keypoints']) != 3 * len(STANDING):
            continue
        scale = min((size[0] - 1) / (image['width'] - 1), (size[1] - 1) / (image['height'] - 1))
        keypoints = np.array([person['keypoints'] for person in persons], np.float64)
        keypoints = keypoints.reshape(len(persons), -1, 3)
        areas = np.array([person['area'] for person in persons]) * scale**2
        points = (keypoints[..., :2] * scale).astype(np.float32)
        scenes.append(Scene(points, (keypoints[..., 2] > 0).astype(np.float32), areas))
    if not scenes:
        raise ValueError(f"{os.fspath(path)}: no person has COCO's {len(STANDING)} keypoints")
    return scenes
