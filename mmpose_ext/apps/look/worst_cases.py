# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Draw the worst cases of a test run, with ground truth and prediction."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmpose_ext.apps.look.matched_people import MATCH_THR, Case, match_people
from mmpose_ext.datasets.coco_checks import (
    DataError,
    annotation_problems,
    area_problems,
    read_json,
)
from mmpose_ext.utils.atomic_files import require_writable, write_atomically
from mmpose_ext.utils.metainfo import COCO_METAINFO, load_metainfo
from mmpose_ext.utils.ranges import require_least, require_number, require_range
from mmpose_ext.visualization.canvas import Canvas
from mmpose_ext.visualization.contact_sheet import Tile, contact_sheet, join_rows, write_png
from mmpose_ext.visualization.skeleton import Skeleton

COLUMNS = (
    'kind', 'oks', 'score', 'image_id', 'file_name', 'annotation_id', 'labeled_keypoints',
    'worst_keypoint', 'worst_distance', 'picture',
)  # fmt: skip
HEIGHT = 320  # height of a case's picture in pixels
MARGIN = 0.35  # margin around the people, as a fraction of their box


@dataclass(frozen=True)
class WorstCases:
    """The result of :func:`write_worst_cases`.

    Attributes:
        cases (list[Case]): All people, worst first, then all false positives, best score first.
        pictures (list[Path]): Pictures of the worst cases.
        sheet (Path | None): One picture with all of them; None if there are none.
        table (Path): The CSV file with all cases.
        failures (list[str]): Images that could not be read.
    """

    cases: list[Case]
    pictures: list[Path]
    sheet: Path | None
    table: Path
    failures: list[str]


def write_worst_cases(
    results_file: str | os.PathLike,
    ann_file: str | os.PathLike,
    image_dir: str | os.PathLike,
    out_dir: str | os.PathLike,
    *,
    number: int = 12,
    match_thr: float = MATCH_THR,
    score_thr: float = 0.0,
    metainfo: str = COCO_METAINFO,
) -> WorstCases:
    """Write pictures of the worst people and false positives, an overview and a table.

    Args:
        results_file (str | os.PathLike): The JSON of ``CocoMetric(outfile_prefix=...)`` or of
            ``predict --ann``.
        ann_file (str | os.PathLike): The COCO-format annotation file of the test.
        image_dir (str | os.PathLike): The folder that its file names are relative to.
        out_dir (str | os.PathLike): Folder for ``person_*.png``, ``false_positive_*.png``,
            ``overview.png``, ``cases.csv``.
        number (int): Number of people and of false positives. Defaults to 12.
        match_thr (float): Smallest OKS of a match; see :func:`match_people`. Defaults to 0.1.
        score_thr (float): Predictions need a score above it. Defaults to 0.0.
        metainfo (str): The data set's meta information: a path in mmpose's configs or a file.
            Defaults to COCO's.

    Raises:
        ValueError: If a number is out of range, a file's content is wrong or the files do not
            belong together.
        OSError: If ``out_dir`` cannot be written, which is checked first.
    """
    require_least(1, number=number)
    require_range(0, 1, match_thr=match_thr)
    require_number(score_thr=score_thr)
    require_writable(Path(out_dir) / 'cases.csv')
    info = load_metainfo(dict(from_file=metainfo))
    skeleton = Skeleton.from_metainfo(info)
    truth = read_json(str(ann_file), 'annotation file')
    results = read_json(str(results_file), 'results')
    if isinstance(results, list):
        results = [r for r in results if not _is_below(r, score_thr)]
    problems = annotation_problems(truth, info['num_keypoints'], needs_people=True)
    problems += [] if problems else area_problems(truth)
    if problems:
        raise DataError(f'annotation file {ann_file} cannot be used: {"; ".join(problems)}')
    try:
        cases = match_people(truth, results, np.asarray(info['sigmas']), match_thr)
    except ValueError as error:
        raise DataError(f'results {results_file}, annotation file {ann_file}: {error}') from None
    people = sorted((c for c in cases if c.truth), key=_badness)
    wrong = sorted((c for c in cases if not c.truth), key=lambda case: -(case.score or 0.0))
    folder = Path(out_dir)
    names = {image['id']: image['file_name'] for image in truth['images']}
    pictures, tiles, failures = {}, [], []
    for prefix, group in (('person', people), ('false_positive', wrong)):
        for rank, case in enumerate(group[:number], 1):
            path = Path(image_dir) / names[case.image_id]
            image = cv2.imread(str(path))
            if image is None:
                failures.append(f'{path}: is missing or not an image')
                continue
            others = [c for c in cases if c.image_id == case.image_id and c is not case]
            tile = draw_case(image, case, others, skeleton)
            pictures[id(case)] = folder / f'{prefix}_{rank:03d}_image{case.image_id}.png'
            write_png(pictures[id(case)], join_rows([[tile]]))
            tiles.append(Tile(f'{rank}. {tile.caption}', tile.picture))
    sheet = folder / 'overview.png' if tiles else None
    if sheet:
        write_png(sheet, contact_sheet(tiles))
    table = folder / 'cases.csv'
    _write_table(table, [*people, *wrong], names, skeleton, pictures)
    return WorstCases([*people, *wrong], list(pictures.values()), sheet, table, failures)


def _is_below(result: object, score_thr: float) -> bool:
    """Return whether a result has a score that is not above the threshold."""
    score = result.get('score') if isinstance(result, dict) else None
    return isinstance(score, (int, float)) and not score > score_thr


def draw_case(image: np.ndarray, case: Case, others: Sequence[Case], skeleton: Skeleton) -> Tile:
    """Draw the ground truth (left) and the prediction (right), cropped around the person.

    Args:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        case (Case): The case, in bright colors; if it has no ground truth or no prediction, that
            side shows no skeleton for it.
        others (Sequence[Case]): The image's other people, in pale colors.
        skeleton (Skeleton): The data set's.
    """
    x1, y1, x2, y2 = _window(image, case)
    zoom = max(1, round(HEIGHT / (y2 - y1)))
    halves = []
    for side in ('truth', 'found'):
        canvas = Canvas(image[y1:y2, x1:x2], zoom)
        for other in others:
            _draw(canvas, getattr(other, side), side, skeleton, (x1, y1), 1)
        canvas.picture //= 2
        canvas.picture += np.array(Canvas(image[y1:y2, x1:x2], zoom).picture // 2)
        _draw(canvas, getattr(case, side), side, skeleton, (x1, y1), 2)
        halves.append(canvas.picture)
    caption = case.kind if case.kind == 'missed' else f'{case.kind}, score {case.score:.2f}'
    if case.kind == 'found':
        caption = f'OKS {case.oks:.2f}, score {case.score:.2f}'
    gap = np.full((halves[0].shape[0], 2, 3), 255, np.uint8)
    caption = f'{caption}, image {case.image_id}: truth | prediction'
    return Tile(caption, np.hstack([halves[0], gap, halves[1]]))


def _draw(
    canvas: Canvas,
    person: dict | None,
    side: str,
    skeleton: Skeleton,
    corner: np.ndarray,
    width: int,
) -> None:
    if person is None:
        return
    keypoints = np.reshape(person['keypoints'], (-1, 3)).astype(float)
    seen = keypoints[:, 2] > 0 if side == 'truth' else np.isfinite(keypoints[:, :2]).all(1)
    skeleton.draw(canvas, keypoints[:, :2] - corner, seen, width)


def _window(image: np.ndarray, case: Case) -> tuple[int, int, int, int]:
    """Return the part of the image around the case's keypoints: x1, y1, x2, y2."""
    points = []
    for person in (case.truth, case.found):
        if person is not None:
            keypoints = np.reshape(person['keypoints'], (-1, 3)).astype(float)
            points.append(
                keypoints[keypoints[:, 2] > 0, :2] if person is case.truth else keypoints[:, :2]
            )
    points = np.concatenate(points)
    points = points[np.isfinite(points).all(1)]
    h, w = image.shape[:2]
    points = points.clip(0, (w - 1, h - 1)) if len(points) else np.array([[0, 0], [w, h]])
    low, high = points.min(0), points.max(0)
    margin = max(MARGIN * (high - low).max(), 16)
    x1, y1 = np.floor(low - margin).clip(0).astype(int)
    x2, y2 = np.ceil(high + margin + 1).astype(int)
    return int(x1), int(y1), int(min(x2, w)), int(min(y2, h))


def _badness(case: Case) -> tuple:
    """Sort by OKS, lowest first, then missed people by labeled keypoints and size."""
    truth = case.truth or {}
    labeled = sum(visible > 0 for visible in truth['keypoints'][2::3])
    return case.oks, -labeled, -truth.get('area', 0)


def _write_table(
    path: Path, cases: Sequence[Case], names: dict, skeleton: Skeleton, pictures: dict
) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator='\n')
    table.writeheader()
    for case in cases:
        row = dict(kind=case.kind, image_id=case.image_id, file_name=names[case.image_id])
        if case.score is not None:
            row['score'] = f'{case.score:.4f}'
        if case.truth is not None:
            row.update(oks=f'{case.oks:.4f}', annotation_id=case.truth['id'])
            truth = np.reshape(case.truth['keypoints'], (-1, 3)).astype(float)
            row['labeled_keypoints'] = int((truth[:, 2] > 0).sum())
            if case.found is not None:
                found = np.reshape(case.found['keypoints'], (-1, 3)).astype(float)
                distance = np.linalg.norm((found - truth)[:, :2], axis=1) * (truth[:, 2] > 0)
                row['worst_keypoint'] = skeleton.names[int(distance.argmax())]
                row['worst_distance'] = f'{distance.max():.1f}'
        if id(case) in pictures:
            row['picture'] = pictures[id(case)].name
        table.writerow(row)
    write_atomically(path, text.getvalue().encode())
