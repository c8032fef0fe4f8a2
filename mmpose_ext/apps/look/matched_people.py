# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Match predicted people to annotated ones with COCO's own matching."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from mmpose_ext.utils.sequences import zip_equal

MAX_PEOPLE = 1000  # per image; COCO's AP considers 20

#: Smallest OKS of a match, by default.
MATCH_THR = 0.1


@dataclass(frozen=True)
class Case:
    """An annotated person, found or missed, or a false positive.

    Attributes:
        kind (str): ``'found'``, ``'missed'`` or ``'false positive'``.
        image_id (int): The image's.
        oks (float): Object keypoint similarity of prediction and truth; 0 without either.
        score (float | None): The prediction's score; None for a missed person.
        truth (dict | None): The annotation.
        found (dict | None): The result.
    """

    kind: str
    image_id: int
    oks: float
    score: float | None
    truth: dict | None
    found: dict | None


def match_people(
    truth: dict, results: Sequence[dict], sigmas: np.ndarray, match_thr: float = MATCH_THR
) -> list[Case]:
    """Match predicted people to annotated ones as COCO's evaluation does.

    In each image, each predicted person, best score first, is matched to the unmatched annotated
    person with the largest OKS, if that is at least ``match_thr``. Crowds and people without
    labeled keypoints do not count as missed, and predictions that match them are not false
    positives.

    Args:
        truth (dict): A COCO-format file's content.
        results (Sequence[dict]): COCO-format keypoint results: ``image_id``, ``keypoints`` (3K) and
            ``score``.
        sigmas (np.ndarray): (K,) sigmas of the data set.
        match_thr (float): Smallest OKS of a match. Defaults to 0.1.

    Returns:
        list[Case]: All cases, in the order of the images.

    Raises:
        ValueError: If the results belong to other images or have another number of keypoints.
    """
    _check_results(truth, results, len(sigmas))
    people = [a for a in truth['annotations'] if a.get('keypoints')]
    _check_boxes(people)
    originals = dict(enumerate(people, 1))  # COCO's matching takes id 0 for no match
    truth = dict(
        images=truth['images'],
        categories=[dict(id=1, name='person')],  # one category for all people with keypoints
        annotations=[_completed(person, number) for number, person in originals.items()],
    )
    results = [dict(r, category_id=1) for r in results]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        annotations = COCO()
        annotations.dataset = truth
        annotations.createIndex()
        found = annotations.loadRes(results) if results else COCO()
        evaluation = COCOeval(annotations, found, 'keypoints', np.asarray(sigmas))
        evaluation.params.iouThrs = np.array([match_thr])
        evaluation.params.maxDets = [MAX_PEOPLE]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ['all']
        evaluation.evaluate()
    cases = []
    for image in evaluation.evalImgs:
        if image is not None:
            cases += _cases(evaluation, image, originals)
    return cases


def _cases(evaluation: COCOeval, image: dict, people: dict[int, dict]) -> list[Case]:
    """Return one image's cases from COCOeval's matches; ``people`` by the ids given to it."""
    key = (image['image_id'], image['category_id'])
    oks = np.asarray(evaluation.ious[key])
    columns = {annotation['id']: n for n, annotation in enumerate(evaluation._gts[key])}
    results = {result['id']: result for result in evaluation._dts[key]}
    rows = {result: n for n, result in enumerate(image['dtIds'])}  # ordered as in oks
    cases = []
    for person, match, ignored in zip_equal(
        image['gtIds'], image['gtMatches'][0], image['gtIgnore']
    ):
        if ignored:
            continue
        if int(match) in rows:
            found = results[int(match)]
            value = float(oks[rows[int(match)], columns[person]])
            cases.append(Case('found', key[0], value, found['score'], people[person], found))
        else:
            cases.append(Case('missed', key[0], 0.0, None, people[person], None))
    for result, match, ignored in zip_equal(
        image['dtIds'], image['dtMatches'][0], image['dtIgnore'][0]
    ):
        if int(match) not in people and not ignored:
            found = results[result]
            cases.append(Case('false positive', key[0], 0.0, found['score'], None, found))
    return cases


def _completed(annotation: dict, number: int) -> dict:
    """Return a copy with the keys that the evaluation needs and COCO's format leaves out."""
    visible = annotation['keypoints'][2::3]
    defaults = dict(iscrowd=0, num_keypoints=sum(v > 0 for v in visible))
    if 'area' not in annotation:  # CocoMetric does this with use_area=False
        defaults['area'] = 0.53 * annotation['bbox'][2] * annotation['bbox'][3]
    return {**defaults, **annotation, 'id': number, 'category_id': 1}


def _check_boxes(people: Sequence[dict]) -> None:
    for person in people:
        if len(person.get('bbox') or ()) != 4:
            raise ValueError(
                f'annotation {person.get("id")} has no bbox [x, y, w, h]: see mmpose-ext validate'
            )


def _check_results(truth: dict, results: Sequence[dict], num_keypoints: int) -> None:
    for name in ('images', 'annotations'):
        if not isinstance(truth, dict) or name not in truth:
            raise ValueError(f'the annotation file has no {name!r}: it is not in COCO format')
    if not isinstance(results, (list, tuple)):
        raise ValueError('the results must be a list of people, as CocoMetric writes them')
    known = {image['id'] for image in truth['images']}
    for number, result in enumerate(results):
        missing = {'image_id', 'keypoints', 'score'} - set(
            result if isinstance(result, dict) else ()
        )
        if missing:
            raise ValueError(
                f'result {number} has no {sorted(missing)}: not a keypoint result; give the file '
                'of CocoMetric(outfile_prefix=...) or of predict'
            )
        image_id, keypoints = result['image_id'], result['keypoints']
        if not isinstance(image_id, (int, float, str)) or image_id not in known:
            raise ValueError(
                f'result {number} belongs to image {image_id!r}, which the annotation '
                'file does not have: give the annotation file of the test'
            )
        if not _are_numbers([result['score']]) or not _are_numbers(keypoints):
            raise ValueError(
                f'result {number} has a score or keypoints that are not numbers: write x, y, score '
                'for each keypoint'
            )
        if len(keypoints) != 3 * num_keypoints:
            raise ValueError(
                f'result {number} has {len(keypoints)} numbers for keypoints, not 3 for each of '
                f'the {num_keypoints} of the data set: write x, y, score, or give the right '
                'metainfo'
            )


def _are_numbers(values: object) -> bool:
    """Return whether a value is a list of numbers, finite or not."""
    return isinstance(values, (list, tuple)) and all(
        isinstance(value, (int, float)) for value in values
    )
