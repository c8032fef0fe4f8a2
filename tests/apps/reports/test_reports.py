# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Each command works on the kinds of annotation files that people report, or stops with one line.

The table of kinds is in docs/data-validation.md.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import oracle_model  # noqa: F401 (registers it)
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from reported_files import ALL, KINDS, perfect_results, sound_content, write_kind
from reported_values import RAW_KINDS, VALUE_KINDS, write_values_kind

from mmpose_ext.apps.main import main
from mmpose_ext.apps.small_people import label_small_people
from mmpose_ext.datasets import DataError

_count = itertools.count()
STEPS = []
# mmpose makes no sample of such a person
SKIPS_PEOPLE = ('box without extent', 'box outside the image')


class CountSteps(Hook):
    """Record a run's training steps: none may come before a fault is found."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        STEPS.append(batch_idx)


@pytest.fixture(scope='module', autouse=True)
def _unformatted_config_text():
    """Skip the formatting of each run's config text, which takes most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **kwargs: (text, True))
        yield


def run_config(file: Path, bottomup: bool = False, **changes) -> Config:
    """Return a config with the real data sets, hook and metric, and the oracle as its model."""
    codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
    steps = [dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(48, 64))]
    names = ('id', 'img_id', 'img_path', 'ori_shape', 'img_shape', 'raw_ann_info')
    pack = dict(type='PackPoseInputs', **(dict(meta_keys=names) if bottomup else {}))
    load = [dict(type='LoadImage'), *(() if bottomup else steps)]
    target = [] if bottomup else [dict(type='GenerateTarget', encoder=codec)]

    def loader(pipeline: list, **extra) -> dict:
        dataset = dict(
            type='CheckedCocoDataset',
            data_mode='bottomup' if bottomup else 'topdown',
            ann_file=str(file),
            data_prefix=dict(img=str(file.parent / 'images')),
            pipeline=pipeline,
            **extra,
        )
        sampler = dict(type='DefaultSampler', shuffle=False)
        return dict(batch_size=1, num_workers=0, sampler=sampler, dataset=dataset)

    evaluator = dict(
        type='CheckedCocoMetric',
        ann_file=str(file),
        outfile_prefix=str(file.parent / 'results'),
        nms_mode='none',
        score_mode='keypoint',
    )
    cfg = Config(
        dict(
            default_scope='mmpose',
            env_cfg=dict(dist_cfg=dict(backend='nccl')),  # mmengine 0.8 has no default
            experiment_name=f'reports{next(_count)}',
            work_dir=str(file.parent / 'work'),
            log_level='WARNING',
            model=dict(type='OracleEstimator', ann_file=str(file), bottomup=bottomup),
            train_dataloader=loader([*load, *target, pack]),
            val_dataloader=loader([*load, pack], test_mode=True),
            test_dataloader=loader([*load, pack], test_mode=True),
            val_evaluator=evaluator,
            test_evaluator=evaluator,
            train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(
                checkpoint=None, logger=None, validate_data=dict(type='ValidateDataHook')
            ),
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


def run(cfg: Config, command: str) -> dict:
    """Train and validate, or test; return the metrics."""
    STEPS.clear()
    with DefaultScope.overwrite_default_scope('mmpose'):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(CountSteps())
        if command.startswith('test'):
            return runner.test()
        runner.train()
        scalars = runner.message_hub.log_scalars
        return {key[4:]: scalars[key].current() for key in scalars if key.startswith('val/coco')}


def said(file: Path, kind: str, command: str, capsys, request) -> str:
    """Run a command on a file; return its message if it stops, and an empty string if it works."""
    folder = file.parent
    out, images = str(folder / 'out'), str(folder / 'images')
    if command.split()[0] in ('train', 'test'):
        try:
            metrics = run(run_config(file, 'bottom-up' in command), command)
        except DataError as error:
            assert not STEPS
            return str(error)
        assert metrics['coco/AP'] == pytest.approx(1) or kind in SKIPS_PEOPLE
        return ''
    if command == 'label':
        model = request.getfixturevalue('topdown')
        try:
            label_small_people(
                str(model.config), str(model.checkpoint), str(file), images, f'{out}.json'
            )
        except (DataError, OSError) as error:
            return str(error)
        return ''
    if command == 'worst':
        (folder / 'results.json').write_text(json.dumps(perfect_results(sound_content())))
        arguments = [str(folder / 'results.json'), '--ann', str(file), '--images', images]
    elif command == 'validate':
        names = ['--metainfo', 'configs/_base_/datasets/coco.py']
        status = main(['validate', str(file), '--images', images, *names])
        text = capsys.readouterr().out
        return text if status else ''
    elif command == 'browse':
        run_config(file).dump(folder / 'config.py')
        arguments = [str(folder / 'config.py'), '--number', '1']
    elif command == 'pack':
        run_config(file).dump(folder / 'config.py')
        status = main(['pack', str(folder / 'config.py')])
        text = capsys.readouterr().err
        return text if status else ''
    elif command == 'detect':  # the annotation file is checked first
        arguments = ['none.py', 'none.pth', '--ann', str(file), '--images', images]
    elif command == 'predict':
        model = request.getfixturevalue('bottomup')
        arguments = [str(model.config), str(model.checkpoint), images, '--ann', str(file)]
        arguments += ['--no-pictures', '--device', 'cpu', '--quiet']
    status = main([command, *arguments, '--out', out])
    text = capsys.readouterr().err
    return text if status else ''


def assert_said(text: str, expected: str | None) -> None:
    """Assert that a line of the text has the pattern; with None, that there is no text."""
    if expected is None:
        assert text == ''
    else:
        assert any(re.search(expected, line) for line in text.splitlines()), text


@pytest.mark.parametrize('command', [*ALL, 'predict'])
@pytest.mark.parametrize('kind', KINDS)
def test_kind_in_command(kind, command, tmp_path, capsys, request):
    file = write_kind(kind, tmp_path)
    text = said(file, kind, command, capsys, request)
    assert_said(text, KINDS[kind][1].get(command))


# training evaluates as well
@pytest.mark.parametrize('command', [c for c in (*ALL, 'predict') if 'test' not in c])
@pytest.mark.parametrize('kind', VALUE_KINDS)
def test_value_in_command(kind, command, tmp_path, capsys, request):
    text = said(write_values_kind(kind, tmp_path), kind, command, capsys, request)
    assert_said(text, VALUE_KINDS[kind][1].get(command))


@pytest.mark.parametrize('command', [*ALL, 'predict', 'detect', 'pack'])
@pytest.mark.parametrize('kind', RAW_KINDS)
def test_file_in_command(kind, command, tmp_path, capsys, request):
    text = said(write_values_kind(kind, tmp_path), kind, command, capsys, request)
    expected = RAW_KINDS[kind][1]
    assert any(re.search(f'people.json.*{expected}', line) for line in text.splitlines()) or (
        command == 'validate' and re.search(expected, text)
    )


@pytest.mark.parametrize('command', ['test', 'test bottom-up'])
def test_results_carry_the_files_category(command, tmp_path):
    file = write_kind('category 7', tmp_path)
    assert run(run_config(file, 'bottom-up' in command), command)['coco/AP'] == pytest.approx(1)
    results = json.loads((tmp_path / 'results.keypoints.json').read_text())
    assert len(results) == 3 and {result['category_id'] for result in results} == {7}


@pytest.mark.parametrize(
    'kind, categories, message',
    [
        ('sound', [1, 1], None),
        ('category 7', [7, 7], None),
        ('category 7', [1, 1], None),  # COCO's id of a person, and the file has no other category 1
        ('category 7', [1, 7], r'boxes\.json.*categories 1, 7.*keep the people'),
        ('category 7', [3, 3], r'boxes\.json.*none of its 2.*category_id 7'),
        ('sound', [7, 7], r'boxes\.json.*none of its 2.*category_id 1'),
    ],
)
@pytest.mark.parametrize('command', ['test', 'validate'])
def test_detections_beside_annotations(kind, categories, message, command, tmp_path, capsys):
    file = write_kind(kind, tmp_path)
    boxes = [
        dict(image_id=i, category_id=category, bbox=a['bbox'], score=0.9)
        for i, category, a in (
            (1, categories[0], sound_content()['annotations'][0]),
            (2, categories[1], sound_content()['annotations'][2]),
        )
    ]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    if command == 'validate':
        status = main(['validate', str(file), '--detections', str(tmp_path / 'boxes.json')])
        text = capsys.readouterr().out
        assert bool(status) == bool(message)
        assert message is None or re.search(message.replace(r'boxes\.json.*', ''), text)
        return
    cfg = run_config(file, **{'test_dataloader.dataset.bbox_file': str(tmp_path / 'boxes.json')})
    if message is None:
        assert run(cfg, 'test')['coco/AR'] == pytest.approx(2 / 3)
    else:
        with pytest.raises(DataError, match=message):
            run(cfg, 'test')


METAINFO = """dataset_info = dict(
    dataset_name='mine',
    keypoint_info={{i: dict(name=f'point{{i}}', id=i, type='', swap={swap}) for i in range(17)}},
    skeleton_info={skeleton},
    joint_weights=[1.0] * {weights},
    sigmas=[0.05] * {sigmas},
)
"""
METAINFO_KINDS = {
    'sigmas': (dict(sigmas=3), r'info\.py: it has 3 sigmas for 17 keypoints'),
    'weights': (dict(weights=3), r'info\.py: it has 3 joint_weights for 17 keypoints'),
    'swap': (dict(swap="'point1' if i == 0 else ''"), r"info\.py: keypoint 'point0' has the swap"),
    'swap unknown': (dict(swap="'arm' if i == 0 else ''"), r"info\.py:.*'arm'.*does not have"),
    'link unknown': (
        dict(skeleton="{0: dict(link=('point0', 'leg'), id=0)}"), r"info\.py:.*'leg'.*not have"
    ),
    'no skeleton': ({}, None),
}  # fmt: skip


@pytest.mark.parametrize('command', ['train', 'test', 'browse', 'validate', 'worst'])
@pytest.mark.parametrize('kind', METAINFO_KINDS)
def test_metainfo(kind, command, tmp_path, capsys):
    file = write_kind('sound', tmp_path)
    changes, message = METAINFO_KINDS[kind]
    settings = dict(swap="''", skeleton={}, weights=17, sigmas=17)
    (tmp_path / 'info.py').write_text(METAINFO.format(**{**settings, **changes}))
    metainfo = dict(from_file=str(tmp_path / 'info.py'))
    loaders = [f'{split}_dataloader.dataset.metainfo' for split in ('train', 'val', 'test')]
    cfg = run_config(file, **dict.fromkeys(loaders, metainfo))
    if command in ('browse', 'validate', 'worst'):
        cfg.dump(tmp_path / 'config.py')
        arguments = [str(tmp_path / 'config.py'), '--out', str(tmp_path / 'out'), '--number', '1']
        if command == 'validate':
            arguments = [str(file), '--metainfo', str(tmp_path / 'info.py')]
        if command == 'worst':
            (tmp_path / 'results.json').write_text(json.dumps(perfect_results(sound_content())))
            arguments = [str(tmp_path / 'results.json'), '--ann', str(file)]
            arguments += ['--images', str(tmp_path / 'images'), '--out', str(tmp_path / 'out')]
            arguments += ['--metainfo', str(tmp_path / 'info.py')]
        status, text = main([command, *arguments]), capsys.readouterr().err
        assert status == (2 if message else 0)
        assert message is None or re.search(message, text)
    elif message is None:
        assert run(cfg, command)['coco/AP'] == pytest.approx(1)
    else:
        with pytest.raises(DataError, match=message):
            run(cfg, command)
        assert not STEPS


@pytest.mark.parametrize('command', ['train', 'test', 'train bottom-up', 'test bottom-up'])
def test_evaluator_of_another_file(command, tmp_path):
    file = write_kind('sound', tmp_path)
    content = sound_content()
    content['images'] = content['images'][:1]
    content['annotations'] = content['annotations'][:2]
    (tmp_path / 'other.json').write_text(json.dumps(content))
    other = {
        f'{split}_evaluator.ann_file': str(tmp_path / 'other.json') for split in ('val', 'test')
    }
    with pytest.raises(
        DataError, match=r"other\.json has no image 2.*people\.json.*data set's file"
    ):
        run(run_config(file, 'bottom-up' in command, **other), command)
    assert not STEPS


@pytest.mark.parametrize('command', ['train', 'test'])
def test_crowd_metric_without_counts(command, tmp_path):
    file = write_kind('no iscrowd, num_keypoints', tmp_path)
    crowd = {f'{split}_evaluator.iou_type': 'keypoints_crowd' for split in ('val', 'test')}
    with pytest.raises(DataError, match=r"3 annotation.* without 'num_keypoints'.*11"):
        run(run_config(file, **crowd), command)
    assert not STEPS


@pytest.mark.parametrize('command', ['train', 'test'])
def test_no_area_works_without_use_area(command, tmp_path):
    file = write_kind('no area', tmp_path)
    unused = {f'{split}_evaluator.use_area': False for split in ('val', 'test')}
    assert run(run_config(file, **unused), command)['coco/AP'] == pytest.approx(1)


@pytest.mark.long
def test_detect_writes_the_files_category(tmp_path, detector):
    file = write_kind('category 7', tmp_path)
    images = str(tmp_path / 'images')
    arguments = [str(detector.config), str(detector.checkpoint), '--ann', str(file)]
    arguments += ['--images', images, '--out', str(tmp_path / 'boxes.json'), '--quiet']
    assert main(['detect', *arguments]) == 0
    boxes = json.loads((tmp_path / 'boxes.json').read_text())
    assert boxes and {box['category_id'] for box in boxes} == {7}
