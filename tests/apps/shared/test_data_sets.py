# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Configs of data sets are looked through at any depth; what cannot be built is named."""

import pytest
from mmengine.config import ConfigDict

import mmpose_ext  # noqa: F401 (registers everything)
from mmpose_ext.apps.shared.data_sets import (
    build_data_set,
    dataset_configs,
    first_with_pipeline,
    metainfo_of,
)

STEPS = [dict(type='LoadImage')]


def wrapped(inner, *others):
    combined = dict(type='ConcatDataset', datasets=[inner, *others])
    return ConfigDict(type='RepeatDataset', times=2, dataset=combined)


def test_parts_at_any_depth():
    coco = dict(type='CocoDataset', pipeline=STEPS)
    mpii = dict(type='MpiiDataset', pipeline=STEPS)
    cfg = wrapped(coco, mpii)
    kinds = [part['type'] for part in dataset_configs(cfg)]
    assert kinds == ['RepeatDataset', 'ConcatDataset', 'CocoDataset', 'MpiiDataset']
    assert first_with_pipeline(cfg)['type'] == 'CocoDataset'
    assert first_with_pipeline(dict(cfg, pipeline=STEPS))['type'] == 'RepeatDataset'
    assert first_with_pipeline(wrapped(dict(type='CocoDataset'))) is None


def test_metainfo_at_any_depth():
    coco = 'configs/_base_/datasets/coco.py'
    assert metainfo_of(wrapped(dict(type='CocoDataset'))) == dict(from_file=coco)
    given = dict(from_file='x.py')
    assert metainfo_of(wrapped(dict(type='CocoDataset', metainfo=given))) == given
    assert metainfo_of(dict(type='CombinedDataset', metainfo=given, datasets=[])) == given
    assert metainfo_of(dict(type='NoSuchDataset')) == {}


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(type='NoSuchDataset'), 'data set NoSuchDataset cannot be built: KeyError: NoSuch'),
        (dict(pipeline=[dict(type='NoStep')]), 'data set CocoDataset cannot be built: KeyError: N'),
        (dict(no_setting=1), 'data set CocoDataset cannot be built: TypeError: '),
    ],
)
def test_what_cannot_be_built_is_named(pictures, change, message):
    cfg = dict(type='CocoDataset', ann_file=str(pictures.ann), data_mode='topdown', pipeline=STEPS)
    with pytest.raises(ValueError, match=f'^{message}'):
        build_data_set(ConfigDict({**cfg, **change}))
