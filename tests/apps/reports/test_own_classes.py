# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""mmpose's CocoDataset and CocoMetric stop with one line if a config imports checked_coco."""

from __future__ import annotations

import gzip
import importlib
import json
import re

import pytest
from mmpose.registry import DATASETS, METRICS
from reported_files import KINDS, sound_content, write_kind
from reported_values import RAW_KINDS, VALUE_KINDS, write_values_kind
from test_reports import STEPS, run, run_config

from mmpose_ext.apps.main import main
from mmpose_ext.datasets import DataError

SPLITS = ('train', 'val', 'test')
# at these faults, mmpose's data set fails in another way or not at all
FAULTS = (
    'float image ids', 'file names as ids', 'fractions of the image', 'keypoints in another order',
    'no visibilities', "Windows' paths",
)  # fmt: skip
VALUE_FAULTS = ('bbox null', 'categories as a dict', 'NaN in keypoints', 'cut short', 'results')


@pytest.fixture
def checked_coco(monkeypatch):
    """Import the module as a config does, for one test; the others have mmpose's classes."""
    for registry in (DATASETS, METRICS):
        monkeypatch.setattr(registry, '_module_dict', dict(registry.module_dict))
    importlib.reload(importlib.import_module('mmpose_ext.checked_coco'))


def own_config(file, bottomup=False, **changes):
    """Return a config with the names of mmpose's classes."""
    names = {f'{split}_dataloader.dataset.type': 'CocoDataset' for split in SPLITS}
    names.update({f'{split}_evaluator.type': 'CocoMetric' for split in SPLITS[1:]})
    return run_config(file, bottomup, **names, **changes)


@pytest.mark.parametrize(
    'kind, command',
    [(kind, 'train') for kind in FAULTS + VALUE_FAULTS]
    + [(kind, 'test bottom-up') for kind in FAULTS[:3]],
)
def test_faulty_file(kind, command, tmp_path, checked_coco):
    write = write_kind if kind in KINDS else write_values_kind
    file = write(kind, tmp_path)
    expected = (RAW_KINDS if kind in RAW_KINDS else {**KINDS, **VALUE_KINDS})[kind][1]
    message = expected if kind in RAW_KINDS else expected[command]
    with pytest.raises(DataError, match=rf'(?=.*people\.json).*{message}'):
        run(own_config(file, 'bottom-up' in command), command)
    assert not STEPS


@pytest.mark.parametrize('command', ['train', 'test', 'train bottom-up', 'test bottom-up'])
def test_sound_file(command, tmp_path, checked_coco):
    file = write_kind('category 7', tmp_path)
    assert run(own_config(file, 'bottom-up' in command), command)['coco/AP'] == pytest.approx(1)


def test_category_7_from_annotations_with_mmposes_data_set(tmp_path):
    file = write_kind('category 7', tmp_path)
    assert run(own_config(file), 'train')['coco/AP'] == pytest.approx(1)


@pytest.mark.parametrize('people', ['bottom-up', 'detected'])
@pytest.mark.parametrize('command', ['train', 'test'])
def test_category_7_with_mmposes_data_set(people, command, tmp_path):
    """mmpose's data set gives results the category 1, so AP would be 0."""
    file, changes = write_kind('category 7', tmp_path), {}
    if people == 'detected':
        boxes = [dict(image_id=1, category_id=1, bbox=[2, 4, 40, 72], score=0.9)]
        (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
        for split in SPLITS[1:]:
            changes[f'{split}_dataloader.dataset.bbox_file'] = str(tmp_path / 'boxes.json')
    message = r"people\.json have category_id 7, but CocoDataset gives.* 1.*'CheckedCocoDataset'"
    with pytest.raises(DataError, match=message):
        run(own_config(file, people == 'bottom-up', **changes), command)
    assert not STEPS


EVALUATOR_FILES = {
    'missing': (None, r'does not exist: check the path'),
    'cut short': (lambda text: text[:-9], r'not valid JSON.*cut short.*again'),
    'empty': (lambda text: b'', r'is empty: write or download'),
    'compressed': (gzip.compress, r'not UTF-8 text.*unpack'),
    'a list': (lambda text: b'[]', r'cannot be evaluated: it holds a list'),
    'no annotations': (
        lambda text: json.dumps(dict(json.loads(text), annotations=[])).encode(),
        r"cannot be evaluated: .*no 'annotations'.*Give",
    ),
    'images as a dict': (
        lambda text: json.dumps(dict(json.loads(text), images={'1': {}})).encode(),
        r"cannot be evaluated: .*'images' is not a list",
    ),
}


@pytest.mark.parametrize(
    'kind, command',
    [('missing', 'train'), *((kind, 'test bottom-up') for kind in EVALUATOR_FILES)],
)
def test_evaluator_of_a_faulty_file(kind, command, tmp_path, checked_coco):
    file = write_kind('sound', tmp_path)
    change, message = EVALUATOR_FILES[kind]
    if change is not None:
        (tmp_path / 'other.json').write_bytes(change(json.dumps(sound_content()).encode()))
    other = {f'{split}_evaluator.ann_file': str(tmp_path / 'other.json') for split in SPLITS[1:]}
    with pytest.raises(DataError, match=rf'CocoMetric: ann_file .*other\.json.*{message}'):
        run(own_config(file, 'bottom-up' in command, **other), command)
    assert not STEPS


@pytest.mark.parametrize('kind', ['sound', 'nobody', 'format only'])
def test_other_errors_of_the_metric_stay(kind, tmp_path, checked_coco):
    file, settings = write_kind('sound', tmp_path), {}
    content = sound_content()
    if kind == 'nobody':
        content['annotations'] = []
    elif kind == 'format only':
        del content['annotations']
        settings = dict(format_only=True, outfile_prefix=str(tmp_path / 'results'))
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='score_mode') as caught:
        METRICS.build(dict(type='CocoMetric', ann_file=str(file), score_mode='none', **settings))
    assert not isinstance(caught.value, DataError)


@pytest.mark.parametrize('command', ['browse', 'pack'])
def test_commands_explain_without_the_import(command, tmp_path, capsys):
    file = write_kind('box missing', tmp_path)
    content = json.loads(file.read_text())
    content['annotations'][0]['keypoints'] = None
    file.write_text(json.dumps(content))
    own_config(file).dump(tmp_path / 'config.py')
    out = ['--out', str(tmp_path / 'out')] if command == 'browse' else []
    assert main([command, str(tmp_path / 'config.py'), *out]) == 2
    error = capsys.readouterr().err
    assert re.search(r'people\.json cannot be used: 1 annotation\(s\) do not have 17', error)
