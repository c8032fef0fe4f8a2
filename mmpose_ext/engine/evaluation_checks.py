# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find, before the first prediction, the faults that would stop COCO's evaluation at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from mmengine.logging import print_log
from mmengine.runner import BaseLoop
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.evaluation.metrics import CocoMetric, PoseTrack18Metric
from xtcocotools.coco import COCO

from mmpose_ext.datasets.fast import datasets_in
from mmpose_ext.datasets.validation import (
    COCO_PERSON,
    DataError,
    by_kind,
    check_for_evaluation,
    person_categories,
    problem_text,
    read_json,
    some,
)


def check_evaluation(loop: BaseLoop | None) -> None:
    """Check that each ``CocoMetric`` of a loop can evaluate the loop's data set.

    Args:
        loop (BaseLoop, optional): A validation or test loop, with ``dataloader`` and ``evaluator``.

    Raises:
        DataError: If not; the message names the metric's annotation file, the fault and what to do.
    """
    if loop is None:
        return
    datasets = list(coco_style_datasets(loop.dataloader.dataset))
    for metric in loop.evaluator.metrics:
        is_coco = isinstance(metric, CocoMetric) and not isinstance(metric, PoseTrack18Metric)
        if not is_coco or metric.format_only:
            continue
        if metric.coco is not None:
            file = metric.ann_file or (datasets[0].ann_file if datasets else 'of the data set')
            _check_metric(metric, metric.coco.dataset, file, datasets)
            _check_images(metric, file, datasets)
            _check_category(metric, file, datasets)
            _tell_untested(metric, file, datasets)
            if 0 in metric.coco.anns:
                _number_from_one(metric.coco)
            continue
        for dataset in datasets:  # not in test mode, the metric reads the samples' annotations
            content = read_json(dataset.ann_file, 'ann_file')
            _check_metric(metric, content, dataset.ann_file, [dataset])


def _check_metric(
    metric: CocoMetric, content: object, file: str, datasets: list[BaseCocoStyleDataset]
) -> None:
    """Check the annotations that a metric evaluates with."""
    name, info = f'{type(metric).__name__}: ann_file {file}', metric.dataset_meta
    converted = metric.pred_converter or metric.gt_converter
    if len(info['sigmas']) != info['num_keypoints'] and not converted:
        raise DataError(
            f'{name}: the metainfo has {len(info["sigmas"])} sigmas for {info["num_keypoints"]} '
            'keypoints: give one per keypoint'
        )
    is_plain = type(metric).gt_to_coco_json is CocoMetric.gt_to_coco_json and not converted
    needed_keys = ['num_keypoints'] if metric.iou_type == 'keypoints_crowd' else []
    findings = check_for_evaluation(
        content,
        info['num_keypoints'] if is_plain else None,  # whole bodies have several lists
        use_area=metric.use_area,
        needed_keys=needed_keys if metric.coco is not None else [*needed_keys, 'iscrowd'],
        one_category=any(dataset.data_mode == 'bottomup' for dataset in datasets),
    )
    if findings:
        problems = '; '.join(problem_text(group) for group in by_kind(findings))
        raise DataError(f'{name} cannot be evaluated: {problems}')


def _check_images(metric: CocoMetric, file: str, datasets: list[BaseCocoStyleDataset]) -> None:
    """Check that a metric's annotation file has the images of the data sets that it is for."""
    known = set(metric.coco.imgs)
    for dataset in datasets:
        if _is_other(dataset, metric) or dataset.ann_file == file:
            continue
        ids = {dataset.get_data_info(index)['img_id'] for index in range(len(dataset))}
        if ids - known:
            raise DataError(
                f'{type(metric).__name__}: ann_file {file} has no image '
                f'{some(sorted(ids - known))}, which ann_file {dataset.ann_file} of the data set '
                "has: give the evaluator the data set's file"
            )


def _is_other(dataset: BaseCocoStyleDataset, metric: CocoMetric) -> bool:
    """Whether ``MultiDatasetEvaluator`` keeps a data set from a metric: their names differ."""
    return dataset.metainfo.get('dataset_name') != metric.dataset_meta.get('dataset_name')


def _check_category(metric: CocoMetric, file: str, datasets: list[BaseCocoStyleDataset]) -> None:
    """Check that results of mmpose's data sets have the category of the metric's people.

    For bottom-up models, and with detections, mmpose gives all results the category 1. Classes
    from elsewhere may give another.
    """
    ids = person_categories(metric.coco.dataset)
    for dataset in datasets:
        has_people = dataset.data_mode == 'topdown' and not dataset.bbox_file
        is_mmposes = type(dataset).__module__.startswith('mmpose.')
        if has_people or not is_mmposes or _is_other(dataset, metric) or ids == [COCO_PERSON]:
            continue
        raise DataError(
            f'{type(metric).__name__}: the people of ann_file {file} have category_id {some(ids)}, '
            f'but {type(dataset).__name__} gives the results category_id {COCO_PERSON}, so AP '
            "would be wrong. Set type='CheckedCocoDataset', which takes the file's, or give the "
            f'people category_id {COCO_PERSON}'
        )


def _tell_untested(metric: CocoMetric, file: str, datasets: list[BaseCocoStyleDataset]) -> None:
    """Warn of annotated people whom the metric counts but a top-down data set leaves out."""
    for dataset in datasets:
        if dataset.data_mode != 'topdown' or dataset.bbox_file or dataset.ann_file != file:
            continue
        tested = {dataset.get_data_info(index)['id'] for index in range(len(dataset))}
        untested = [
            number
            for number, person in metric.coco.anns.items()
            if number not in tested
            and not person.get('iscrowd')
            and any(visible > 0 for visible in person['keypoints'][2::3])
        ]
        if untested:
            print_log(
                f'{type(metric).__name__}: {len(untested)} annotated people of {file} are not '
                f'tested and count as missed, since mmpose leaves out boxes without an area and '
                f'people with num_keypoints 0: annotations {some(untested)}',
                'current',
                logging.WARNING,
            )


def _number_from_one(coco: COCO) -> None:
    """Number the annotations from 1, because COCO's evaluation takes id 0 for 'no match'."""
    for number, annotation in enumerate(coco.dataset['annotations'], 1):
        annotation['id'] = number
    coco.createIndex()


def coco_style_datasets(dataset: object) -> Iterator[BaseCocoStyleDataset]:
    """Yield the COCO-style data sets in a data set and inside its wrappers."""
    for part in datasets_in(dataset):
        if isinstance(part, BaseCocoStyleDataset):
            yield part
