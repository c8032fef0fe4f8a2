# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors about configs name the file or the setting; options are parsed as mmengine does."""

import argparse

import pytest

from mmpose_ext.apps.shared.arguments import (
    add_config_options,
    command_line_message,
    parse_options,
)
from mmpose_ext.apps.shared.configs import read_config, with_options
from mmpose_ext.utils.errors import ArgumentError


@pytest.mark.parametrize(
    'text, kind',
    [
        ('model = (\n', 'SyntaxError: '),
        ("_base_ = ['missing.py']\n", 'FileNotFoundError: '),
        ("custom_imports = dict(imports=['no_such_module'])\n", 'ImportError: '),
    ],
)
def test_unreadable_configs(tmp_path, text, kind):
    path = tmp_path / 'c.py'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'^config {path} cannot be read: {kind}[^\n]*$'):
        read_config(path)


def test_missing_configs(tmp_path):
    with pytest.raises(FileNotFoundError, match='/a.py does not exist: give the path of a .py'):
        read_config(tmp_path / 'a.py')
    with pytest.raises(FileNotFoundError, match='is a folder: give the path of a .py file'):
        read_config(tmp_path)
    (tmp_path / 'a.txt').write_text('model = dict()\n')
    with pytest.raises(ValueError, match='a.txt cannot be read: '):
        read_config(tmp_path / 'a.txt')


@pytest.mark.parametrize('options', [{'a.b': 1}, {'c.5': 1}, {'c.x': 1}])
def test_options_that_do_not_fit(tmp_path, options):
    path = tmp_path / 'c.py'
    path.write_text("a = 'text'\nc = [1, 2]\n")
    with pytest.raises(ArgumentError, match=f'^config {path} does not take options: ') as caught:
        read_config(path, options)
    assert f'{path} does not take --cfg-options: ' in command_line_message(caught.value)


def test_options_are_merged(tmp_path):
    path = tmp_path / 'c.py'
    path.write_text('a = dict(b=1, c=2)\n')
    assert read_config(path, {'a.b': 3}).a == dict(b=3, c=2)
    assert with_options(read_config(path), None).a == dict(b=1, c=2)


def test_options_are_parsed_as_mmengine_does():
    words = ['a.b=1', 'a.c=[1,2]', 'd=x=y', 'e=(1,(2,3))', 'f=None', 'a.b=2']
    assert parse_options(words) == {
        'a.b': 2, 'a.c': [1, 2], 'd': 'x=y', 'e': (1, (2, 3)), 'f': None,
    }  # fmt: skip
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    args = parser.parse_args(['--cfg-options', *words[:2], '--cfg-options', *words[2:]])
    assert args.cfg_options == parse_options(words) and args.option_words == tuple(words)
    args = parser.parse_args([])
    assert args.cfg_options is None and args.option_words == ()


@pytest.mark.parametrize('word', ['model', 'a=[(1,2],3'])
def test_malformed_options(word, capsys):
    with pytest.raises(ValueError, match='is not KEY=VALUE'):
        parse_options([word])
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    with pytest.raises(SystemExit, match='2'):
        parser.parse_args(['--cfg-options', 'a=1', word])
    assert f"argument --cfg-options: '{word}' is not KEY=VALUE" in capsys.readouterr().err
