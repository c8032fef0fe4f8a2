# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""COCO keypoint data whose faults are told before training starts, not by a traceback in it."""

from __future__ import annotations

from mmpose.datasets import CocoDataset
from mmpose.registry import DATASETS

from mmpose_ext.datasets.coco_checks import annotation_problems, detection_problems
from mmpose_ext.datasets.validation import (
    NO_USABLE_PERSON,
    DataError,
    missing_files,
    read_json,
    require_file,
    some,
)


@DATASETS.register_module()
class CheckedCocoDataset(CocoDataset):
    """mmpose's ``CocoDataset`` with one clear error for data that cannot be used.

    The samples are those of ``CocoDataset`` in every mode: top-down, bottom-up, with
    ``bbox_file``. As there, people without labelled keypoints and crowds are skipped (bottom-up
    keeps them), images without people are skipped except in bottom-up testing, and keypoints
    outside the image stay: the codecs give weight 0 to those outside the network's input.

    Checked once, when the annotations are loaded: the files are there and valid JSON, ids are
    known and not repeated, boxes and keypoints have the right counts and are finite, there is
    something to learn or test, and the image files exist. The checks are those of
    :mod:`mmpose_ext.datasets.validation` whose findings stop training; ``mmpose-ext validate``
    lists all of them.

    Args:
        check_images (bool): Look for the image files of the samples (one listing a folder; remote
            files are not looked for). Defaults to True.
        *args: As for ``mmpose.datasets.CocoDataset``.
        **kwargs: As for ``mmpose.datasets.CocoDataset``.

    Raises:
        DataError: With the file, the setting that names it and everything that is wrong.
    """

    def __init__(self, *args, check_images: bool = True, **kwargs) -> None:
        self.check_images = check_images
        super().__init__(*args, **kwargs)

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        require_file(self.ann_file, 'ann_file')
        failure = None
        try:
            lists = super()._load_annotations()
            content = self.coco.dataset
        except Exception as error:  # explained below; whatever a bad file makes of it
            failure = error
            content = read_json(self.ann_file, 'ann_file')
        tests_bottom_up = self.test_mode and self.data_mode == 'bottomup'
        problems = annotation_problems(
            content, self.metainfo['num_keypoints'], needs_people=not tests_bottom_up
        )
        self._raise_problems('ann_file', self.ann_file, problems, failure)
        return lists

    def _load_detection_results(self) -> list[dict]:
        require_file(self.ann_file, 'ann_file')
        require_file(self.bbox_file, 'bbox_file')
        if not str(self.bbox_file).endswith('.json'):
            raise DataError(
                f'bbox_file {self.bbox_file} is not a .json file: other kinds are refused, since '
                'loading a pickle can run code'
            )
        failure = None
        try:
            data_list = super()._load_detection_results()
            content = None
        except Exception as error:  # explained below
            failure = error
            content = read_json(self.ann_file, 'ann_file')
            problems = annotation_problems(
                content, self.metainfo['num_keypoints'], needs_people=False
            )
            self._raise_problems('ann_file', self.ann_file, problems)
        detections = read_json(self.bbox_file, 'bbox_file')
        images = content['images'] if content else self.coco.dataset['images']
        problems = detection_problems(detections, {i['id'] for i in images}, self.ann_file)
        self._raise_problems('bbox_file', self.bbox_file, problems, failure)
        return data_list

    def filter_data(self) -> list[dict]:
        """Filter as ``CocoDataset`` does, then check that something is left and has its image."""
        before = len(self.data_list)
        data_list = super().filter_data()
        if not data_list:
            raise DataError(self._emptiness(before))
        if self.check_images:
            missing = missing_files(sample['img_path'] for sample in data_list)
            if missing:
                raise DataError(
                    f'{len(missing)} image file(s) named by ann_file {self.ann_file} are missing: '
                    f"{some(missing)}. Check data_root and data_prefix['img'] in the config"
                )
        return data_list

    def _emptiness(self, before_filter: int) -> str:
        if before_filter:
            return (
                f'filter_cfg {self.filter_cfg} leaves none of the {before_filter} samples of '
                f'{self.bbox_file or self.ann_file}: lower bbox_score_thr'
            )
        return f'ann_file {self.ann_file} gives no {self.data_mode} sample: {NO_USABLE_PERSON}'

    def _raise_problems(
        self, setting: str, path: str, problems: list[str], failure: Exception | None = None
    ) -> None:
        if problems:
            raise DataError(f'{setting} {path} cannot be used: {"; ".join(problems)}') from failure
        if failure is not None:
            raise DataError(f'{setting} {path} cannot be used: {failure!r}') from failure
