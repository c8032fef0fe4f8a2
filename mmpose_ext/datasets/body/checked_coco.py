# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""COCO keypoint data that reports its faults before training instead of failing during it."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
from mmpose.datasets import CocoDataset
from mmpose.registry import DATASETS

from mmpose_ext.datasets.coco_checks import (
    annotation_problems,
    detection_problems,
    segmentation_problems,
)
from mmpose_ext.datasets.validation import (
    NO_USABLE_PERSON,
    DataError,
    detected_category,
    missing_files,
    person_category,
    read_json,
    require_file,
    some,
)
from mmpose_ext.utils.metainfo import keypoint_names, load_metainfo


@DATASETS.register_module()
class CheckedCocoDataset(CocoDataset):
    """mmpose's ``CocoDataset`` with one clear error for unusable data.

    The samples are those of ``CocoDataset`` in every mode: top-down, bottom-up, with ``bbox_file``.
    As in ``CocoDataset``, people without labeled keypoints and crowds are skipped (bottom-up keeps
    them), and images without people are skipped except in bottom-up testing. Keypoints outside the
    image stay: the codecs give weight 0 to those outside the network's input.

    The checks run once, when the annotations are loaded: the files exist and are valid JSON, ids
    are known and unique, boxes and keypoints have the right counts and are finite, there is
    something to learn or test, the metainfo fits, and the image files exist. These are the checks
    of :mod:`mmpose_ext.datasets.validation` whose findings stop training; ``mmpose-ext validate``
    lists all findings.

    In testing, the results have the file's own category of people, which may differ from 1, even
    for bottom-up samples and detections (mmpose always gives these 1, which can lead to AP 0).

    Args:
        check_images (bool): Whether to check that the samples' image files exist (one listing per
            folder; remote files are not checked). Defaults to True.
        *args: As for ``mmpose.datasets.CocoDataset``.
        **kwargs: As for ``mmpose.datasets.CocoDataset``.

    Raises:
        DataError: If the data cannot be used; the message names the file, its setting and all
            faults.
    """

    def __init__(self, *args: Any, check_images: bool = True, **kwargs: Any) -> None:
        self.check_images = check_images
        #: The file's category of people if samples have no annotation (bottom-up testing,
        #: detections); else None.
        self.category_id: int | None = None
        super().__init__(*args, **kwargs)

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        metainfo = copy.deepcopy(cls.METAINFO) if metainfo is None else metainfo
        return load_metainfo(metainfo, f'of {cls.__name__}')

    def prepare_data(self, idx: int) -> object:
        """As in ``CocoDataset``, but people without annotation get the file's category."""
        item = super().prepare_data(idx)
        if self.category_id is not None and isinstance(item, dict) and 'data_samples' in item:
            item['data_samples'].set_metainfo(dict(category_id=self.category_id))
        return item

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        require_file(self.ann_file, 'ann_file')
        failure = None
        try:
            lists = super()._load_annotations()
            content = self.coco.dataset
        except Exception as error:  # a bad file causes many kinds; explained below
            failure = error
            content = read_json(self.ann_file, 'ann_file')
        tests_bottom_up = self.test_mode and self.data_mode == 'bottomup'
        self._check_annotations(content, not tests_bottom_up, failure)
        if self.data_mode == 'bottomup' and not self.test_mode:
            problems = segmentation_problems(content)
            self._raise_problems('ann_file', self.ann_file, problems)
        if tests_bottom_up:
            self.category_id = person_category(content, f'ann_file {self.ann_file}')
        return lists

    def _get_bottomup_data_infos(
        self, instance_list: list[dict], image_list: list[dict]
    ) -> list[dict]:
        """Call ``CocoDataset``, which would fail if only some people of an image have outlines."""
        outlined = {p['img_id'] for p in instance_list if isinstance(p['segmentation'], list)}
        for person in instance_list:
            if person['segmentation'] is None and person['img_id'] in outlined:
                person['segmentation'] = []
        data_list = super()._get_bottomup_data_infos(instance_list, image_list)
        for sample in data_list:  # mmpose's masks skip None and fail at an empty list
            if 'invalid_segs' in sample:
                sample['invalid_segs'] = [outline or None for outline in sample['invalid_segs']]
        return data_list

    def _load_detection_results(self) -> list[dict]:
        """Load detections as ``CocoDataset`` does, but for people of any category."""
        require_file(self.ann_file, 'ann_file')
        require_file(self.bbox_file, 'bbox_file')
        if not str(self.bbox_file).endswith('.json'):
            raise DataError(
                f'bbox_file {self.bbox_file} is not a .json file: other kinds are refused, because '
                'loading a pickle can run code'
            )
        content = read_json(self.ann_file, 'ann_file')
        self._check_annotations(content, needs_people=False)
        detections = read_json(self.bbox_file, 'bbox_file')
        images = {image['id']: image for image in content['images']}
        problems = detection_problems(detections, set(images), self.ann_file, content)
        self._raise_problems('bbox_file', self.bbox_file, problems)
        if 'categories' in content:
            self._metainfo['CLASSES'] = content['categories']
        self.category_id = person_category(content, f'ann_file {self.ann_file}')
        category = detected_category(detections, content)
        people = [d for d in detections if d['category_id'] == category]
        return [self._detected_person(i, d, images) for i, d in enumerate(people)]

    def _detected_person(self, number: int, detection: dict, images: dict) -> dict:
        """Return the sample of a detection: its box, with placeholder keypoints."""
        image, num_keypoints = images[detection['image_id']], self.metainfo['num_keypoints']
        x, y, w, h = detection['bbox'][:4]
        return dict(
            img_id=detection['image_id'],
            img_path=os.path.join(self.data_prefix['img'], image['file_name']),
            img_shape=(image['height'], image['width']),
            bbox=np.array([[x, y, x + w, y + h]], np.float32),
            bbox_score=np.array([detection['score']], np.float32),
            keypoints=np.zeros((1, num_keypoints, 2), np.float32),
            keypoints_visible=np.ones((1, num_keypoints), np.float32),
            id=number,
        )

    def _check_annotations(
        self, content: object, needs_people: bool, failure: Exception | None = None
    ) -> None:
        names = keypoint_names(self.metainfo)
        problems = annotation_problems(content, len(names), needs_people, names)
        self._raise_problems('ann_file', self.ann_file, problems, failure)

    def filter_data(self) -> list[dict]:
        """Filter as ``CocoDataset`` does, then check that samples remain and their images exist."""
        before = len(self.data_list)
        data_list = super().filter_data()
        if not data_list:
            raise DataError(self._emptiness(before))
        if self.check_images:
            missing = missing_files(sample['img_path'] for sample in data_list)
            if missing:
                remedy = (
                    "Check data_root and data_prefix['img'] in the config, and the folders, case "
                    'and %-codes of file_name'
                )
                if any('\\' in path for path in missing):
                    remedy = 'Write / for the \\ of Windows in file_name'
                if any('://' in path for path in missing):
                    remedy = 'Write paths within the folder of the images for the URLs in file_name'
                raise DataError(
                    f'{len(missing)} image file(s) named by ann_file {self.ann_file} are missing: '
                    f'{some(missing)}. {remedy}'
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
