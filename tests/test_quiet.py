# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Messages that nobody can act on are not printed, and all others are."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from contextlib import nullcontext, redirect_stdout

import pytest
from mmengine.logging import MMLogger

from mmpose_ext.utils.quiet import ignore_metainfo_note, quiet_imports, quiet_log

NOTES = ('OneDL', 'A matched config file', 'Warning')
COMMANDS = """
import sys
from mmpose_ext.apps.main import COMMANDS, main
for name in sys.argv[1:] or COMMANDS:
    try:
        main([name, '--help'])
    except SystemExit as end:
        assert not end.code
"""
# the steps of mmpose's train before training
TRAINING = """
import sys
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS
cfg = Config.fromfile(sys.argv[1])
cfg.work_dir = sys.argv[2]
Runner.from_cfg(cfg)
print(parse_pose_metainfo(DATASETS.get(cfg.dataset_type).METAINFO)['dataset_name'])
"""


def output_of(*command, **kwargs) -> str:
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, **kwargs)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


def test_commands(tmp_path):
    text = output_of('-c', COMMANDS, cwd=tmp_path)
    assert 'usage: mmpose-ext predict' in text
    assert not [note for note in NOTES if note in text]


def test_training(root, tmp_path):
    config = str(root / 'configs/demo/attention_resnet18_128x96.py')
    text = output_of('-c', TRAINING, config, str(tmp_path), cwd=tmp_path)
    assert text.rstrip().endswith('coco')
    assert not [note for note in NOTES if note in text]


def test_without_standard_output():
    """Whoever wants to see nothing redirects it to None, as `mmpose-ext pack` does."""
    with redirect_stdout(None), quiet_imports():
        print('anything')


def test_all_but_the_notes_is_printed(capsys):
    with pytest.raises(ImportError, match='broken'), quiet_imports():
        print('Could not import OneDL. Skipping OneDL datasets.')
        print('Could not import the rest.')
        raise ImportError('broken')
    assert capsys.readouterr().out == 'Could not import the rest.\n'
    logger, told = MMLogger.get_current_instance(), []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logger.addHandler(handler)
    for context in (quiet_log(), nullcontext()):
        with context:
            logger.warning('"FileClient" will be deprecated in future.')
            logger.warning('a fault')
    logger.removeHandler(handler)
    assert told == ['a fault', '"FileClient" will be deprecated in future.', 'a fault']
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        ignore_metainfo_note()
        for file in ('configs/_base_/datasets/coco.py', 'my/people.py'):
            text = f'The metainfo config file "{file}" does not exist. A matched config file "b.py"'
            warnings.warn(f'{text} will be used instead.', stacklevel=2)
    assert ['my/people.py' in str(one.message) for one in caught] == [True]
