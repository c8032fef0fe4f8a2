# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import pytest
from mmengine.config import Config

from mmpose_ext.engine.config_text import is_plain_config


@pytest.mark.parametrize(
    'text',
    [
        '',
        "a = 1\nb = dict(type='ResNet', depth=50, x=[1, -2.5, (None, True)])\nc = {'k': {1, 2}}",
        'a = inf',  # how pretty_text writes it
        "a = dict(dict(b=1), **{'c': 2})",
    ],
)
def test_data(text):
    assert is_plain_config(text)


@pytest.mark.parametrize(
    'text',
    [
        'import os',
        "__import__('os').mkdir('x')",
        "a = __import__('os')",
        "a = eval('1')",
        "a = dict(b=open('x', 'w'))",
        'a = [x for x in (1,)]',
        'a = (lambda: 1)()',
        "a = f'{print(1)}'",
        'a = b.c',
        'a = b[0]',
        "_base_ = '/x/evil.py'",
        'dict = print\na = dict(1)',
        'a, dict = 1, print',
        'a = 1 if b else c',
        'def dict(): pass',
        'a = (dict := print)',
        'a =',
        None,
        b'a = 1',
        '(' * 5000,
    ],
)
def test_code(text):
    assert not is_plain_config(text)


def test_real_configs_are_data(root):
    paths = sorted(path for path in root.glob('configs/**/*.py') if '_base_' not in path.parts)
    assert paths
    for path in paths:
        assert is_plain_config(Config.fromfile(path).pretty_text), path
