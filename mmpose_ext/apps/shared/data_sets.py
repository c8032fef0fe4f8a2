# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Build a config's data set; one line on files that mmpose's own data sets fail on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mmengine.config import ConfigDict
from mmpose.registry import DATASETS

from mmpose_ext.apps.shared.model_checks import default_scope
from mmpose_ext.datasets.coco_checks import DataError, annotation_problems, read_json
from mmpose_ext.utils.metainfo import load_metainfo


def build_data_set(cfg: ConfigDict) -> Any:
    """Build a data set of mmpose or of this package.

    Args:
        cfg (ConfigDict): The data set's config, with others in it or not.

    Raises:
        DataError: If an annotation file cannot be used, naming it and what is wrong.
        OSError: If a file is missing.
    """
    try:
        with default_scope('mmpose'):
            return DATASETS.build(cfg)
    except (DataError, OSError):
        raise
    except Exception as error:  # whatever error mmpose raises for a bad file
        for part in _parts(cfg):
            _check_part(part, error)
        raise


def _parts(cfg: ConfigDict) -> Iterator[ConfigDict]:
    """Return the parts of a data set's config that have an annotation file."""
    if cfg.get('ann_file'):
        yield cfg
    for part in [*cfg.get('datasets', ()), cfg.get('dataset')]:
        if part is not None:
            yield from _parts(part)


def _check_part(cfg: ConfigDict, error: Exception) -> None:
    """Raise DataError if the annotation file of one data set cannot be used."""
    with default_scope('mmpose'):
        metainfo = cfg.get('metainfo') or DATASETS.get(cfg.type).METAINFO
    info = load_metainfo(metainfo, f'of {cfg.type}')
    path = os.path.join(cfg.get('data_root') or '', cfg.ann_file)
    problems = annotation_problems(read_json(path, 'ann_file'), info['num_keypoints'], True)
    if problems:
        raise DataError(f'ann_file {path} cannot be used: {"; ".join(problems)}') from error
