# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Count the people found, and compute COCO's AP and AR, in a network's input."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from .noise_scenes import Scene

#: Number of people per image that count; COCO's own limit of 20 would cut off crowds.
MOST_PEOPLE = 100


class Found(NamedTuple):
    """The people found in an image."""

    keypoints: np.ndarray  #: (F, K, 2) in input pixels
    scores: np.ndarray  #: (F,) people's scores


class Scores(NamedTuple):
    """The quality of the people found in several images."""

    found: int  #: number of people
    ap: float  #: COCO's AP over all sizes of people
    ar: float  #: COCO's AR


def score_people(scenes: Sequence[Scene], found: Sequence[Found]) -> Scores:
    """Count the people found, and evaluate their keypoints as COCO does.

    Args:
        scenes (Sequence[Scene]): The annotated people.
        found (Sequence[Found]): The people found, scene by scene.
    """
    truth: list[dict] = []
    results: list[dict] = []
    for image, (scene, people) in enumerate(zip(scenes, found), 1):
        for points, labeled, area in zip(*scene):
            low, high = (f(points[labeled > 0], axis=0) for f in (np.min, np.max))
            keypoints = np.concatenate([points, 2 * labeled[:, None]], 1) * labeled[:, None]
            truth.append(
                dict(
                    id=len(truth) + 1,
                    image_id=image,
                    category_id=1,
                    iscrowd=0,
                    area=float(area),
                    bbox=[*low.tolist(), *(high - low).tolist()],
                    num_keypoints=int(labeled.sum()),
                    keypoints=keypoints.ravel().tolist(),
                )
            )
        for points, score in zip(*people):
            keypoints = np.concatenate([points, np.ones((len(points), 1))], 1)
            results.append(
                dict(
                    image_id=image,
                    category_id=1,
                    keypoints=keypoints.ravel().tolist(),
                    score=float(score),
                )
            )
    if not results:
        return Scores(0, 0.0, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dict(
            images=[dict(id=image) for image in range(1, len(scenes) + 1)],
            annotations=truth,
            categories=[dict(id=1, name='person')],
        )
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), 'keypoints')  # COCO's precisions
        evaluation.params.maxDets = [MOST_PEOPLE]
        evaluation.evaluate()
        evaluation.accumulate()
    ap, ar = (evaluation.eval[name][..., 0, 0] for name in ('precision', 'recall'))
    return Scores(len(results), float(ap[ap > -1].mean()), float(ar[ar > -1].mean()))
