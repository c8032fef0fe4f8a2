# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Commands name flags where Python's errors name arguments."""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmpose_ext.apps.main import COMMANDS
from mmpose_ext.apps.pack.writer import ReplacePackError
from mmpose_ext.apps.shared.arguments import (
    add_setting,
    command_line_message,
    command_line_text,
    default_of,
)
from mmpose_ext.apps.synthetic.folder import OccupiedFolderError
from mmpose_ext.datasets.pack import PackError
from mmpose_ext.utils.errors import ArgumentError, ArgumentText


@pytest.mark.parametrize(
    'error, message',
    [
        (ArgumentError('give {} and {}', 'ann_file', 'det_config'), 'give --ann and --det-config'),
        # errors of other classes, about files that are there already
        (
            OccupiedFolderError('{out} in the way: give {}', 'overwrite=True', out='a'),
            'a in the way: give --overwrite',
        ),
        (ReplacePackError('damaged: give {}', 'anew=True'), 'damaged: give --anew'),
        # a message of another error stays as it is, whatever it quotes
        (ValueError('column anew=True'), 'column anew=True'),
        (ValueError('overwrite is set'), 'overwrite is set'),
        # a text in a message, and an error of a function with other names
        (
            ArgumentError('nothing: {note}', note=ArgumentText('set {}', 'data_root')),
            'nothing: set --data-root',
        ),
        (
            ArgumentError('{} and {}', 'category', 'device').renamed(category='det_category'),
            '--det-category and --device',
        ),
        # the system's errors come without their numbers
        (FileNotFoundError(2, 'No such file', 'a.json'), 'a.json: No such file'),
        (OSError(28, 'cannot write a.json'), 'cannot write a.json'),
        (OSError('no number'), 'no number'),
    ],
)
def test_message(error, message):
    assert command_line_message(error) == message


def test_texts():
    note = ArgumentText('set {}', 'ann_file')
    assert note == 'set ann_file' and command_line_text(note) == 'set --ann'
    assert command_line_text('set ann_file') == 'set ann_file'


@dataclass
class Sizes:
    runs: int = 3
    noise: float = 1.0
    sides: Sequence[int] = (320, 240)
    kind: str = 'uint8'


def test_settings_have_the_defaults_of_what_they_set():
    parser = argparse.ArgumentParser(prog='')
    add_setting(parser, '--runs', Sizes, 'runs')
    add_setting(parser, '--noise', Sizes, 'noise')
    add_setting(parser, '--size', Sizes, 'w h', 'sides', nargs=2)
    add_setting(parser, '--kind', Sizes, 'kind', choices=('uint8', 'float32'))
    args = parser.parse_args([])
    assert vars(args) == dict(runs=3, noise=1.0, size=(320, 240), kind='uint8')
    args = parser.parse_args(['--runs', '4', '--noise', '2', '--size', '3', '4'])
    assert vars(args) == dict(runs=4, noise=2.0, size=[3, 4], kind='uint8')
    text = parser.format_help()
    assert all(part in text for part in ('runs (3)', 'noise (1)', 'w h (320 240)', 'kind (uint8)'))
    assert default_of(lambda number=8: None, 'number') == 8


#: Defaults of the command lines alone, which no function has.
OWN = {'--jobs', '--limit', '--seeds', '--workers'}


@pytest.mark.parametrize('module', sorted({module for module, _ in COMMANDS.values()}))
def test_command_lines_repeat_no_default(module):
    """They take those of the functions and dataclasses that they call."""
    source = Path(importlib.import_module(f'mmpose_ext.apps.{module}').__file__).read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'add_argument':
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            flag = getattr(node.args[0], 'value', '')
            literal = isinstance(given.get('default'), (ast.Constant, ast.Tuple, ast.List))
            assert not literal or flag in OWN, f'{module}: {flag}'


def test_classes_and_pythons_messages_are_those_of_files():
    with pytest.raises(FileExistsError, match='^a in the way: give overwrite=True$') as caught:
        raise OccupiedFolderError('{out} in the way: give {}', 'overwrite=True', out='a')
    assert isinstance(caught.value, OSError)
    with pytest.raises(PackError, match='^damaged: give anew=True$'):
        raise ReplacePackError('damaged: give {}', 'anew=True')
