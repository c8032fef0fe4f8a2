# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Build a config's data set; one line on files that mmpose's own data sets fail on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmpose.registry import DATASETS

from mmpose_ext.apps.shared.configs import building
from mmpose_ext.apps.shared.model_checks import default_scope
from mmpose_ext.datasets.coco_checks import DataError, annotation_problems, read_json
from mmpose_ext.utils.metainfo import load_metainfo


def build_data_set(cfg: Mapping) -> Any:
    """Build a data set of mmpose or of this package.

    Args:
        cfg (Mapping): The data set's config, with others in it or not.

    Raises:
        DataError: If an annotation file cannot be used, naming it and what is wrong.
        OSError: If a file is missing.
        ValueError: If its type or one of its settings does not exist.
    """
    try:
        with default_scope('mmpose'):
            return DATASETS.build(cfg)
    except (DataError, OSError):
        raise
    except Exception as error:  # whatever error mmpose raises for a bad file
        for part in dataset_configs(cfg):
            if part.get('ann_file'):
                _check_part(part, error)
        with building(f'data set {cfg.get("type")}'):
            raise


def dataset_configs(cfg: Mapping) -> Iterator[Any]:
    """Yield the config of a data set and those of the data sets in it, at any depth."""
    yield cfg
    for part in [*cfg.get('datasets', ()), cfg.get('dataset')]:
        if part is not None:
            yield from dataset_configs(part)


def first_with_pipeline(cfg: Mapping) -> Any:
    """Return the first of :func:`dataset_configs` that has a pipeline; None without one."""
    return next((part for part in dataset_configs(cfg) if part.get('pipeline')), None)


def metainfo_of(cfg: Mapping) -> dict:
    """Return the first metainfo that a data set's config or a class in it sets; {} without one."""
    for part in dataset_configs(cfg):
        with default_scope('mmpose'):
            kind = DATASETS.get(part['type'])
        found = part.get('metainfo') or getattr(kind, 'METAINFO', None)
        if found:
            return dict(found)
    return {}


def _check_part(cfg: Mapping, error: Exception) -> None:
    """Raise DataError if the annotation file of one data set cannot be used."""
    metainfo = metainfo_of(cfg)
    if not metainfo:
        return
    info = load_metainfo(metainfo, f'of {cfg["type"]}')
    path = os.path.join(cfg.get('data_root') or '', cfg['ann_file'])
    problems = annotation_problems(read_json(path, 'ann_file'), info['num_keypoints'], True)
    if problems:
        raise DataError(f'ann_file {path} cannot be used: {"; ".join(problems)}') from error
