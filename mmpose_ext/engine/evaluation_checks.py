# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Find, before the first prediction, the faults that would stop COCO's evaluation at the end."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.runner import BaseLoop
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.evaluation.metrics import CocoMetric, PoseTrack18Metric
from xtcocotools.coco import COCO

from mmpose_ext.datasets.validation import (
    DataError,
    by_kind,
    check_for_evaluation,
    problem_text,
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
        if is_coco and metric.coco is not None and not metric.format_only:
            _check_metric(metric, datasets)


def _check_metric(metric: CocoMetric, datasets: list[BaseCocoStyleDataset]) -> None:
    file = metric.ann_file or (datasets[0].ann_file if datasets else 'of the data set')
    name = f'{type(metric).__name__}: ann_file {file}'
    info, content = metric.dataset_meta, metric.coco.dataset
    converted = metric.pred_converter or metric.gt_converter
    if len(info['sigmas']) != info['num_keypoints'] and not converted:
        raise DataError(
            f'{name}: the metainfo has {len(info["sigmas"])} sigmas for {info["num_keypoints"]} '
            'keypoints: give one per keypoint'
        )
    is_plain = type(metric) is CocoMetric and not converted
    findings = check_for_evaluation(
        content,
        info['num_keypoints'] if is_plain else None,  # whole bodies: several lists
        use_area=metric.use_area,
        needs_count=metric.iou_type == 'keypoints_crowd',
        one_category=any(dataset.data_mode == 'bottomup' for dataset in datasets),
    )
    if findings:
        problems = '; '.join(problem_text(group) for group in by_kind(findings))
        raise DataError(f'{name} cannot be evaluated: {problems}')
    if 0 in metric.coco.anns:
        _number_from_one(metric.coco)
    known = {image['id'] for image in content['images']}
    for dataset in datasets:
        # of several data sets, only those that MultiDatasetEvaluator gives this metric
        is_other = dataset.metainfo.get('dataset_name') != info.get('dataset_name')
        if is_other or dataset.ann_file == file:
            continue
        ids = {dataset.get_data_info(index)['img_id'] for index in range(len(dataset))}
        if ids - known:
            raise DataError(
                f'{name} has no image {some(sorted(ids - known))}, which ann_file '
                f"{dataset.ann_file} of the data set has: give the evaluator the data set's file"
            )


def _number_from_one(coco: COCO) -> None:
    """Number the annotations from 1, because COCO's evaluation takes id 0 for 'no match'."""
    for number, annotation in enumerate(coco.dataset['annotations'], 1):
        annotation['id'] = number
    coco.createIndex()


def coco_style_datasets(dataset: object) -> Iterator[BaseCocoStyleDataset]:
    """Yield the COCO-style data sets in a data set and inside its wrappers."""
    if isinstance(dataset, BaseCocoStyleDataset):
        yield dataset
    for part in [*getattr(dataset, 'datasets', []), getattr(dataset, 'dataset', None)]:
        if part is not None:
            yield from coco_style_datasets(part)
