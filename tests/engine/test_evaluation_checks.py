# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Which data sets and metrics the checks before a run compare, with parts of both."""

from types import SimpleNamespace

import pytest
from mmpose.datasets.datasets import CocoDataset

from mmpose_ext.datasets.validation import DataError
from mmpose_ext.engine.evaluation_checks import _check_category


class OwnDataset(CocoDataset):
    """A project's own class, which may give results another category."""


def data_set(kind, name):
    dataset = kind.__new__(kind)
    vars(dataset).update(data_mode='bottomup', bbox_file=None, _metainfo=dict(dataset_name=name))
    return dataset


def metric(name, category):
    content = dict(annotations=[dict(category_id=category, keypoints=[1, 1, 2])])
    content['categories'] = [dict(id=category, name='person')]
    return SimpleNamespace(
        dataset_meta=dict(dataset_name=name), coco=SimpleNamespace(dataset=content)
    )


def test_a_metric_is_compared_with_the_data_sets_of_its_name():
    sets = [data_set(CocoDataset, 'first'), data_set(CocoDataset, 'second')]
    _check_category(metric('third', 5), 'people.json', sets)
    with pytest.raises(DataError, match='have category_id 5, but CocoDataset gives'):
        _check_category(metric('second', 5), 'people.json', sets)
    _check_category(metric('second', 1), 'people.json', sets)


def test_own_classes_give_the_category_that_they_like():
    _check_category(metric('first', 5), 'people.json', [data_set(OwnDataset, 'first')])
