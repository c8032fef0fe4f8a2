# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Transforms of a top-down pipeline for all people of a batch at once.

All random numbers of the pipeline are drawn first, person by person, in the order in which mmpose
draws them. Then they are applied to arrays of the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmpose.datasets.transforms import GetBBoxCenterScale
from mmpose.structures.bbox import bbox_xyxy2cs

from mmpose_ext.datasets.transforms.clipped_normal_bbox import ClippedNormalBBoxTransform
from mmpose_ext.datasets.transforms.random_shear import RandomShear

from .deferred_image import DeferredImage
from .transforms import FastRandomBBoxTransform, FastRandomFlip, FastRandomHalfBody


@dataclass
class People:
    """A batch of people on their way through a pipeline, in image pixels.

    Attributes:
        images (list[DeferredImage]): B images.
        bbox (np.ndarray): (B, 4) in [x1, y1, x2, y2].
        keypoints (np.ndarray): (B, K, 2).
        visible (np.ndarray): (B, K).
        flip_indices (list[int]): K.
        halves (tuple[list[int], list[int]]): Keypoints of the upper and of the lower body.
        rotation (np.ndarray): (B,) in degrees.
        center (np.ndarray, optional): (B, 2), of the boxes.
        scale (np.ndarray, optional): (B, 2), [w, h] of the boxes.
        flipped (np.ndarray, optional): (B,) bool, if flips are drawn.
        shears (list[float]): Tangents of the inputs' shears; empty if none are drawn.
    """

    images: list[DeferredImage]
    bbox: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    flip_indices: list[int]
    halves: tuple[list[int], list[int]]
    rotation: np.ndarray
    center: np.ndarray | None = None
    scale: np.ndarray | None = None
    flipped: np.ndarray | None = None
    shears: list[float] = field(default_factory=list)


class BatchedStep(ABC):
    """A transform's effect on a batch.

    Args:
        step (BaseTransform): The transform, with its settings.
    """

    def __init__(self, step: Any) -> None:
        self.step = step

    def draw(self, people: People, visible: np.ndarray) -> tuple[Any, np.ndarray]:
        """Draw what the transform draws for one person.

        Args:
            people (People): The batch before all transforms.
            visible (np.ndarray): (K,), of the person after the transforms before this one.

        Returns:
            tuple: What is drawn, and ``visible`` after this transform.
        """
        return None, visible

    @abstractmethod
    def apply(self, people: People, drawn: list[Any]) -> None:
        """Change a batch according to what was drawn for each of its people."""


class BatchedBoxes(BatchedStep):
    """mmpose's ``GetBBoxCenterScale``."""

    def apply(self, people: People, drawn: list[Any]) -> None:
        """Set centers and scales."""
        people.center, people.scale = bbox_xyxy2cs(people.bbox, self.step.padding)


class BatchedFlip(BatchedStep):
    """A horizontal :class:`.FastRandomFlip`."""

    def draw(self, people: People, visible: np.ndarray) -> tuple[bool, np.ndarray]:
        """Draw whether to flip."""
        flips = self.step._choose_direction() is not None
        return flips, visible[people.flip_indices] if flips else visible

    def apply(self, people: People, drawn: list[bool]) -> None:
        """Flip boxes and keypoints; the images only record the flip."""
        chosen = people.flipped = np.array(drawn)
        for index in np.flatnonzero(chosen).tolist():
            people.images[index].flip('horizontal')
        width = np.array([image.size[0] for image in people.images], np.float32)[chosen, None]
        points = people.keypoints[chosen][:, people.flip_indices]
        points[..., 0] = (width - 1) - points[..., 0]
        people.keypoints[chosen] = points
        people.visible[chosen] = people.visible[chosen][:, people.flip_indices]
        box = people.bbox[chosen]
        people.bbox[chosen, ::2] = width - box[:, 2::-2] - 1
        if people.center is not None:
            people.center[chosen, 0] = width[:, 0] - people.center[chosen, 0] - 1


class BatchedHalfBody(BatchedStep):
    """:class:`.FastRandomHalfBody`."""

    def draw(self, people: People, visible: np.ndarray) -> tuple[list[int] | None, np.ndarray]:
        """Draw which keypoints make a new box, if any."""
        return self.step._random_select_half_body(visible[None], *people.halves)[0], visible

    def apply(self, people: People, drawn: list[list[int] | None]) -> None:
        """Replace boxes by those of half a body."""
        center, scale = people.center, people.scale
        assert center is not None and scale is not None  # mmpose needs them here too
        for index, ids in enumerate(drawn):
            if ids is not None:
                box = self.step._get_half_body_bbox(people.keypoints[index], ids)
                center[index], scale[index] = box


class BatchedBoxTransform(BatchedStep):
    """:class:`.FastRandomBBoxTransform` or :class:`.ClippedNormalBBoxTransform`."""

    def draw(self, people: People, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw the numbers that decide on a person's shift, scale and rotation."""
        return self.step.draw_numbers(), visible

    def apply(self, people: People, drawn: list[np.ndarray]) -> None:
        """Move, scale and rotate the boxes."""
        offset, scale, rotation = self.step.parameters(np.stack(drawn))
        people.center = people.center + offset * people.scale
        people.scale = people.scale * scale
        people.rotation = rotation


class BatchedShear(BatchedStep):
    """:class:`.RandomShear`, after the affine."""

    def draw(self, people: People, visible: np.ndarray) -> tuple[float, np.ndarray]:
        """Draw the tangent of the angle."""
        return self.step._tangent(), visible

    def apply(self, people: People, drawn: list[float]) -> None:
        """Record the shears, which follow the warp."""
        people.shears = drawn


def batched_steps(steps: Sequence[Any], after: Sequence[Any]) -> list[BatchedStep]:
    """Return the batched forms of the transforms between loading and the target.

    Args:
        steps (Sequence): Transforms before the affine.
        after (Sequence): Transforms after it.

    Raises:
        ValueError: If a transform has no batched form.
    """
    batched: list[BatchedStep] = []
    for step in steps:
        if type(step) is GetBBoxCenterScale:
            batched.append(BatchedBoxes(step))
        elif type(step) is FastRandomFlip and step.direction in ('horizontal', ['horizontal']):
            batched.append(BatchedFlip(step))
        elif type(step) is FastRandomHalfBody:
            batched.append(BatchedHalfBody(step))
        elif type(step) in (FastRandomBBoxTransform, ClippedNormalBBoxTransform):
            batched.append(BatchedBoxTransform(step))
        else:
            raise ValueError(f'{type(step).__name__} has no form for batches')
    if sum(isinstance(step, BatchedBoxes) for step in batched) != 1:
        raise ValueError('not exactly one GetBBoxCenterScale')
    for step in after:
        if type(step) is not RandomShear:
            raise ValueError(f'{type(step).__name__} after the affine has no form for batches')
        batched.append(BatchedShear(step))
    for kind in (BatchedFlip, BatchedBoxTransform, BatchedShear):
        if sum(isinstance(step, kind) for step in batched) > 1:
            raise ValueError(f'several transforms like {kind.__name__}')
    return batched


def augment(
    steps: Sequence[BatchedStep],
    people: People,
    numbers: Sequence[int],
    seed: Callable[[int], None] | None = None,
) -> None:
    """Draw for all people in turn, then change the batch.

    Args:
        steps (Sequence[BatchedStep]): The transforms.
        people (People): The batch.
        numbers (Sequence[int]): The people's numbers in the data set.
        seed (Callable, optional): Seeds ``numpy.random`` for the person with a number.
    """
    drawn: list[list[Any]] = [[] for _ in steps]
    for number, visible in zip(numbers, people.visible):
        if seed is not None:
            seed(number)
        for step, values in zip(steps, drawn):
            value, visible = step.draw(people, visible)
            values.append(value)
    for step, values in zip(steps, drawn):
        step.apply(people, values)
