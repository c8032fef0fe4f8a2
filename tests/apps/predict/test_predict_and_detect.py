# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The commands pass their arguments to the functions and return their exit status."""

import functools

import pytest

from mmpose_ext.apps.detect import Detections
from mmpose_ext.apps.detect import cli as detect_command
from mmpose_ext.apps.main import main
from mmpose_ext.apps.predict import BoxSource, Drawing, Failure, Predictions
from mmpose_ext.apps.predict import cli as predict_command
from mmpose_ext.utils.errors import ArgumentError


@pytest.fixture
def calls(monkeypatch):
    """Record the arguments of calls; ``calls.answer`` can be set to failures or an exception."""

    class Calls(list):
        answer = ()

    made = Calls()

    def fake(function, kind):
        @functools.wraps(function)  # commands take their defaults from it
        def call(*args, **kwargs):
            made.append((args, kwargs))
            if isinstance(made.answer, BaseException):
                raise made.answer
            return kind(failures=list(made.answer))

        return call

    monkeypatch.setattr(predict_command, 'predict', fake(predict_command.predict, Predictions))
    monkeypatch.setattr(detect_command, 'detect', fake(detect_command.detect, Detections))
    return made


PREDICT = ['predict', 'c.py', 'c.pth', 'a.jpg', '0', '--out', 'o']
DETECT = ['detect', 'c.py', 'c.pth', '--ann', 'a.json', '--images', 'i', '--out', 'o.json']


def test_predict_arguments(calls):
    options = ['--detections', 'd.json', '--ann', 'a.json', '--batch-size', '3', '--device', 'cpu']
    options += ['--max-frames', '9', '--no-pictures', '--quiet', '--draw-boxes', '--box-thr', '.1']
    options += ['--cfg-options', 'model.test_cfg.flip_test=False', 'x.y=1']
    assert main([*PREDICT, *options]) == 0
    (config, checkpoint, inputs), settings = calls[0]
    assert (config, checkpoint, inputs) == ('c.py', 'c.pth', ['a.jpg', '0'])
    expected = dict(out_dir='o', ann_file='a.json', batch_size=3, device='cpu', max_frames=9)
    expected.update(boxes=BoxSource(detections='d.json', box_thr=0.1, whole_image=False))
    expected.update(drawing=Drawing(draw=False, draw_boxes=True), progress=False)
    expected.update(options={'model.test_cfg.flip_test': False, 'x.y': 1})
    assert expected.items() <= settings.items()


def test_detect_arguments(calls):
    options = ['--category', 'dog', '--score-thr', '.2', '--max-per-image', '5', '--device', 'cpu']
    assert main([*DETECT, *options]) == 0
    args, settings = calls[0]
    assert args == ('c.py', 'c.pth', 'a.json', 'i', 'o.json')
    expected = dict(category='dog', score_thr=0.2, max_per_image=5, batch_size=8, progress=True)
    assert expected.items() <= settings.items()


@pytest.mark.parametrize('command', [PREDICT, DETECT])
@pytest.mark.parametrize(
    'answer, status, text',
    [
        ([], 0, ''),
        ([Failure('a.jpg', 'damaged')], 1, '1 failed, all others are done:\n  a.jpg: damaged'),
        (ValueError('no boxes'), 2, 'error: no boxes'),
        (
            ArgumentError('{} needs {}', 'detections', 'ann_file'),
            2,
            'error: --detections needs --ann',
        ),
        (FileNotFoundError('config c.py does not exist'), 2, 'error: config c.py'),
        (RuntimeError('checkpoint'), 2, 'error: checkpoint'),
    ],
)
def test_exit_status(command, answer, status, text, calls, capsys):
    calls.answer = answer
    assert main(command) == status
    assert text in capsys.readouterr().err


def test_predict_needs_somewhere_to_put_things(calls, capsys):
    assert main(PREDICT[:-2]) == 2
    assert 'give --out' in capsys.readouterr().err and not calls


def test_stopping_a_detection(calls, capsys):
    calls.answer = KeyboardInterrupt()
    assert main(DETECT) == 130
    assert 'o.json was not written' in capsys.readouterr().err
