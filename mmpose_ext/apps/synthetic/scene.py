# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Place people in an image, draw it, and derive the annotations from the drawing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .background import Thing, draw_object, expose, paint_background, sample_object
from .canvas import Canvas
from .painter import draw_person
from .person import PARTS, Person, sample_person, unseen_face, visible_parts

_STICKS = (
    ('left_shoulder', 'left_elbow', 0.036),
    ('right_shoulder', 'right_elbow', 0.036),
    ('left_elbow', 'left_wrist', 0.03),
    ('right_elbow', 'right_wrist', 0.03),
    ('left_hip', 'left_knee', 0.06),
    ('right_hip', 'right_knee', 0.06),
    ('left_knee', 'left_ankle', 0.04),
    ('right_knee', 'right_ankle', 0.04),
    ('left_heel', 'left_toe', 0.025),
    ('right_heel', 'right_toe', 0.025),
    ('left_shoulder', 'right_hip', 0.06),
    ('right_shoulder', 'left_hip', 0.06),
    ('chest', 'pelvis', 0.09),
)


@dataclass
class Annotation:
    """One person's ground truth.

    Attributes:
        keypoints (np.ndarray): (17, 3) float64: x, y in pixels (0 is the center of the first pixel)
            and visibility: 2 visible, 1 hidden but in the image, 0 not labeled (then x = y = 0).
        bbox (np.ndarray): (4,) x, y, w, h of the visible pixels.
        area (int): Number of visible pixels.
        segmentation (list[list[float]]): Outlines of the visible pixels, each [x1, y1, x2, y2,
            ...].
        mask (np.ndarray): (h, w) bool, the visible pixels.
    """

    keypoints: np.ndarray
    bbox: np.ndarray
    area: int
    segmentation: list[list[float]]
    mask: np.ndarray


@dataclass
class Scene:
    """An image (h, w, 3) uint8 BGR and the annotations of its people."""

    image: np.ndarray
    annotations: list[Annotation]


def make_scene(
    entropy: list[int], size: tuple[int, int], people: tuple[int, int], attempts: int = 6
) -> Scene:
    """Make a random image with people.

    Args:
        entropy (list[int]): Non-negative integers that determine the image.
        size (tuple[int, int]): (w, h) in pixels.
        people (tuple[int, int]): Fewest and most people; each of them has an annotation.
        attempts (int): Number of layouts to try until each person shows enough keypoints. Defaults
            to 6.

    Returns:
        Scene: The scene, with people in the order of their drawing, the farthest last.
    """
    tried: list[tuple[int, Scene]] = []
    for attempt in range(attempts):
        rng = np.random.default_rng([*entropy, attempt])
        scene = _try_scene(rng, size, people)
        seen = min(int((a.keypoints[:, 2] == 2).sum()) for a in scene.annotations)
        tried.append((seen, scene))
        if seen >= 5:
            break
    return max(tried, key=lambda each: each[0])[1]


def _try_scene(rng: np.random.Generator, size: tuple[int, int], people: tuple[int, int]) -> Scene:
    count = int(rng.integers(people[0], people[1] + 1))
    covered = np.zeros((size[1], size[0]), np.uint8)
    things = _place_objects(rng, size, count, covered)
    persons = _place_people(rng, size, count, covered)
    angle = rng.uniform(0, 2 * np.pi)
    canvas = Canvas(paint_background(rng, size), light=(np.cos(angle), np.sin(angle)))
    for person in reversed(persons):
        _draw_shadow(canvas, person)
        draw_person(canvas, person)
    for thing in things:
        draw_object(canvas, thing)
    return Scene(expose(rng, canvas.image), [annotate(p, canvas.labels) for p in persons])


def _place_objects(
    rng: np.random.Generator, size: tuple[int, int], count: int, covered: np.ndarray
) -> list[Thing]:
    things = [sample_object(rng, size) for _ in range(rng.choice((0, 1, 2), p=(0.75, 0.20, 0.05)))]
    if count > 8:
        things = things[:1]
    for thing in things:
        stencil = Canvas(np.zeros((*covered.shape, 3), np.float32))
        draw_object(stencil, thing)
        covered |= (stencil.labels != 0).view(np.uint8)
    return things


def _place_people(
    rng: np.random.Generator, size: tuple[int, int], count: int, covered: np.ndarray
) -> list[Person]:
    """Place people from the nearest (first, largest) to the farthest.

    Each is placed where enough of its keypoints stay uncovered; ``covered`` (h, w) uint8 grows with
    each.
    """
    width, height = size
    unit = min(height, 0.8 * width)
    largest = min(0.95, 1.75 * np.sqrt(width * height / count) / unit)
    scales = np.sort(unit * largest * rng.uniform(0.42, 1.0, count) ** 0.8)[::-1]
    persons = []
    for number, scale in enumerate(scales, 1):
        person = sample_person(rng)
        person.number = number
        inside = 17 if rng.random() < 0.92 else int(rng.integers(11, 17))
        free = int(rng.integers(12, 18)) if count <= 8 else 12
        tried: list[tuple[int, float, np.ndarray]] = []
        for attempt in range(40):
            # A crowded image gets smaller people instead of hidden ones.
            person.scale = scale * 0.96 ** max(0, attempt - 8)
            person.center = _sample_center(rng, person, size, inside)
            seen, within = _count_free(person.keypoints, covered)
            score = min(seen, free) + min(within, inside)
            tried.append((score, person.scale, person.center))
            if score == free + inside or (score >= inside + 9 and attempt > 25):
                break
        _, person.scale, person.center = max(tried, key=lambda each: each[0])
        _cover(covered, person)
        persons.append(person)
    return persons


def _sample_center(
    rng: np.random.Generator, person: Person, size: tuple[int, int], inside: int
) -> np.ndarray:
    """Sample a position of the pelvis so that the figure is in the image, or partly outside it."""
    shape = person.project(np.array(list(person.figure.points.values()))) - person.center
    low, high = shape.min(axis=0), shape.max(axis=0)
    margin = person.scale * 0.03
    if inside < 17:
        margin -= (high - low) * 0.45
    first, last = margin - low, np.array(size) - 1 - margin - high
    share = rng.random(2)
    # Feet are usually low in the image.
    share[1] = share[1] ** 0.7
    middle = (first + last) / 2
    return np.where(last > first, first + share * (last - first), middle)


def _count_free(keypoints: np.ndarray, covered: np.ndarray) -> tuple[int, int]:
    """Return the number of uncovered keypoints in the image, and of all keypoints in the image."""
    height, width = covered.shape
    x, y = np.round(keypoints).astype(int).T
    within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    free = covered[y[within], x[within]] == 0
    return int(free.sum()), int(within.sum())


def _cover(covered: np.ndarray, person: Person) -> None:
    points = person.figure.points
    for start, end, radius in _STICKS:
        line = np.round(person.project(np.stack((points[start], points[end])))).astype(int)
        thickness = max(1, round(2 * radius * person.scale))
        cv2.line(covered, line[0].tolist(), line[1].tolist(), 1, thickness)
    head = np.round(person.project(points['head'])).astype(int)
    cv2.circle(covered, head.tolist(), max(1, round(person.body.head * person.scale)), 1, -1)


def _draw_shadow(canvas: Canvas, person: Person) -> None:
    """Draw a soft, dark patch on the ground below the lowest part of the figure."""
    shape = person.project(np.array(list(person.figure.points.values())))
    lowest, left, right = shape[:, 1].max(), shape[:, 0].min(), shape[:, 0].max()
    axes = (0.5 * (right - left) + 0.03 * person.scale, 0.035 * person.scale)
    window = canvas.window(np.array([((left + right) / 2, lowest)]), max(axes))
    if window is None:
        return
    rows, columns = np.mgrid[window].astype(np.float32)
    u = (columns - (left + right) / 2) / axes[0]
    v = (rows - lowest - 0.015 * person.scale) / axes[1]
    canvas.image[window] *= (1 - 0.42 * np.clip(1.2 - u * u - v * v, 0, 1))[..., None]


def annotate(person: Person, labels: np.ndarray) -> Annotation:
    """Derive a person's ground truth from the labels (h, w) of the finished image."""
    height, width = labels.shape
    mask = labels // PARTS == person.number
    points = person.keypoints
    x, y = np.round(points).astype(int).T
    within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    top = labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    seen = np.array(
        [
            label in {person.label(part) for part in parts}
            for label, parts in zip(top.tolist(), visible_parts(person))
        ]
    )
    labeled = within & ~unseen_face(person)
    visibility = np.where(labeled, np.where(seen, 2, 1), 0)
    keypoints = np.concatenate((np.round(points, 2), visibility[:, None]), axis=1)
    keypoints[visibility == 0] = 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Annotation(keypoints, np.zeros(4), 0, [], mask)
    bbox = np.array([columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1])
    return Annotation(keypoints, bbox, int(mask.sum()), outlines(mask, bbox), mask)


def outlines(mask: np.ndarray, bbox: np.ndarray, zoom: int = 4) -> list[list[float]]:
    """Return polygons around the pixels of a mask (h, w), in COCO's coordinates.

    Pixel (0, 0) covers 0 to 1. Specks of less than 3 pixels are dropped if there is anything else.
    """
    x, y, w, h = (int(value) for value in bbox)
    part = mask[y : y + h, x : x + w].astype(np.uint8)
    part = cv2.resize(part, (w * zoom, h * zoom), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contours = sorted(contours, key=cv2.contourArea, reverse=True)
    polygons: list[list[float]] = []
    for contour in contours:
        if polygons and cv2.contourArea(contour) < 3 * zoom * zoom:
            break
        simple = cv2.approxPolyDP(contour, 0.4 * zoom, True)
        if len(simple) < 3:
            simple = contour
        outline = (simple[:, 0] + 0.5) / zoom + (x, y)
        polygons.append(np.round(outline, 2).ravel().tolist())
    return polygons
