# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Commands end in one line that names the flag with a bad value, or the file."""

import argparse
import importlib
import json
import shlex
from pathlib import Path

import pytest

from mmpose_ext.apps.main import COMMANDS, main

# what each command needs; values are checked before files are read
BASE = {
    'predict': 'c.py c.pth images --out out',
    'detect': 'c.py c.pth --ann a.json --images images --out o.json',
    'export': 'c.py c.pth --out o.onnx',
    'synthetic': '--out out',
    'validate': 'a.json',
    'pack': 'c.py',
    'benchmark': 'c.py',
    'compare': 'c.py --work-dir runs',
    'browse': 'c.py --out out',
    'curves': 'run --out c.png',
    'worst': 'r.json --ann a.json --images images --out out',
}
AT_LEAST_1 = '{flag} must be 1 or more, not 0'
NUMBER = '{flag} must be a number, not nan'
DEVICE = '{flag} nowhere: '
SEED = '{flag} must be 0 to 4294967295, not -1'
#: Bad values of each command, with the message.
VALUES = {
    'predict': {
        '--batch-size 0': AT_LEAST_1,
        '--max-frames -1': '{flag} must be 0 or more, not -1',
        '--box-thr nan': NUMBER,
        '--box-nms 1.5': '{flag} must be 0 to 1, not 1.5',
        '--draw-thr nan': NUMBER,
        '--keypoint-thr nan': NUMBER,
        '--device nowhere': DEVICE,
        '--det-config d.py': 'a detector needs both --det-config and --det-checkpoint',
        '--whole-image --detections d.json': 'give one of --det-config, --detections and {flag}',
    },
    'detect': {
        '--score-thr nan': NUMBER,
        '--max-per-image 0': AT_LEAST_1,
        '--batch-size 0': AT_LEAST_1,
        '--device nowhere': DEVICE,
    },
    'export': {'--tolerance nan': '{flag} must be 0 or more, not nan'},
    'synthetic': {
        '--train -1': '{flag} must be 0 to 999999, not -1',
        '--val 1000000': '{flag} must be 0 to 999999, not 1000000',
        '--test -1': '{flag} must be 0 to 999999, not -1',
        '--train 0 --val 0': 'set one of --train, --val and --test above 0',
        '--people 3 1': '{flag} must be the fewest and the most, 1 <= fewest <= most <= 60',
        '--size 10 10': '{flag} must be width and height, 64 to 4096 pixels, not (10, 10)',
        '--size 64 64 --people 1 50': '{flag} (64, 64) is too small for 50 people: give at least '
        '600 pixels per person, or less --people',
        '--seed -1': '{flag} must be 0 or more, not -1',
        '--quality 101': '{flag} must be 1 to 100, not 101',
        '--workers 0': AT_LEAST_1,
    },
    'validate': {
        '--num-keypoints 0': AT_LEAST_1,
        '--workers 0': AT_LEAST_1,
        '--limit -1': '{flag} must be 0 or more, not -1',
        '--depth files': "{flag} 'files' needs --images, the folder of the images",
    },
    'pack': {
        '--size 0': AT_LEAST_1,
        '--quality 0': '{flag} must be 1 to 100, not 0',
        '--workers 0': AT_LEAST_1,
    },
    'benchmark': {
        '--runs 0': AT_LEAST_1,
        '--batch 0': AT_LEAST_1,
        '--device nowhere': DEVICE,
        '--threads 0': AT_LEAST_1,
        '--people 5 0': AT_LEAST_1,
        '--noise nan': '{flag} must be 0 or more, not nan',
        '--workers -1': '{flag} must be 0 or more, not -1',
        '--batches 0': AT_LEAST_1,
        '--images 0': AT_LEAST_1,
        '--rate 0': AT_LEAST_1,
        '--size 0': AT_LEAST_1,
        '--rms -1': '{flag} must be 0 or more, not -1.0',
        '--vary radius': "{flag} must be SETTING=VALUE, not 'radius'",
    },
    'compare': {'--seeds 0 -1': SEED, '--jobs 0': AT_LEAST_1, '--threads 0': AT_LEAST_1},
    'browse': {
        '--number 0': AT_LEAST_1,
        '--start -1': '{flag} must be 0 or more, not -1',
        '--seed -1': SEED,
        '--zoom 0': AT_LEAST_1,
        '--device nowhere': DEVICE,
    },
    'curves': {'--names AP': '{flag}: no training logs AP; '},
    'worst': {
        '--number 0': AT_LEAST_1,
        '--match-thr 2': '{flag} must be 0 to 1, not 2.0',
        '--score-thr nan': NUMBER,
    },
}
#: Files that are missing or of another kind, and a part of the message.
FILES = {
    'predict': {'no.py c.pth a.json --out out': 'config no.py does not exist'},
    'detect': {'c.py c.pth --ann no.json --images . --out o.json': 'annotation file no.json does'},
    'export': {
        'broken.py c.pth --out o.onnx': 'config broken.py cannot be read: SyntaxError: ',
        'c.py c.pth --out o.onnx --images a.json': 'a.json cannot be read as an image',
    },
    'synthetic': {'--out a.json': 'a.json is a file: give a folder', '--out a.json/x': 'Not a dir'},
    'validate': {
        'a.json --metainfo no.py': '"no.py" does not exist',
        'a.json --metainfo a.json': 'metainfo a.json: ',
        'a.json --metainfo run': '"run" does not exist',
        'a.json --json .': 'cannot write .',
    },
    'pack': {'no.py': 'config no.py does not exist', 'c.py': 'config c.py has no train_dataloader'},
    'benchmark': {
        'no.py': 'config no.py does not exist',
        'c.py': "config c.py has no 'model'",
        '.': 'config . is a folder',
    },
    'compare': {'no.py --work-dir runs': 'config no.py does not exist'},
    'browse': {'broken.py --out out': 'config broken.py cannot be read: SyntaxError: '},
    'curves': {'empty --out c.png': 'empty holds no */vis_data/scalars.json'},
    'worst': {
        'no.json --ann a.json --images . --out out': 'results no.json does not exist',
        'a.json --ann a.json --images . --out out': 'annotation file a.json cannot be used',
    },
}
#: Commands that work for long before they write.
WRITES = (
    'predict no.py c.pth a.json --out {}',
    'detect no.py c.pth --ann a.json --images . --out {}',
    'export no.py c.pth --out {}',
    'validate no.json --json {}',
    'benchmark no.py --csv {}',
    'benchmark no.py --markdown {}',
    'benchmark no.py --plot {}',
    'compare no.py --work-dir {}',
    'compare no.py --work-dir runs --finished {}',
    'browse no.py --out {}',
    'worst no.json --ann a.json --images . --out {}',
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('c.py').write_text('a = 1\n')
    Path('broken.py').write_text('a = (\n')
    Path('a.json').write_text('[]')
    Path('empty').mkdir()
    log = Path('run', '1', 'vis_data', 'scalars.json')
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps(dict(loss=1.0, epoch=1, step=1)) + '\n')


def error_of(capsys, command, arguments):
    """Run a command that fails before it does anything; return its only line."""
    assert main([command, *shlex.split(arguments)]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count('\n') == 1, err
    start = 'No comparison: ' if command == 'compare' else 'error: '
    assert err.startswith(start)
    return err[len(start) :]


@pytest.mark.parametrize(
    'command, arguments', [(name, values) for name in VALUES for values in VALUES[name]]
)
def test_bad_values_name_their_flag(folder, capsys, command, arguments):
    message = VALUES[command][arguments].format(flag=arguments.split()[0])
    assert message in error_of(capsys, command, f'{BASE[command]} {arguments}')


@pytest.mark.parametrize(
    'command, arguments', [(name, values) for name in FILES for values in FILES[name]]
)
def test_unusable_files_are_named(folder, capsys, command, arguments):
    if command == 'export':
        pytest.importorskip('onnxruntime')
    assert FILES[command][arguments] in error_of(capsys, command, arguments)


@pytest.mark.parametrize('words', WRITES)
def test_what_cannot_be_written_is_refused_first(folder, capsys, words):
    """The other files do not exist, but the result's path is looked at before them."""
    command, arguments = words.format('a.json/x').split(' ', 1)
    assert 'cannot write a.json/x' in error_of(capsys, command, arguments)


@pytest.mark.parametrize('command', COMMANDS)
def test_every_number_has_a_bad_value(command):
    parser = argparse.ArgumentParser()
    importlib.import_module(f'mmpose_ext.apps.{COMMANDS[command][0]}').add_arguments(parser)
    numbers = {a.option_strings[0] for a in parser._actions if a.type in (int, float)}
    assert numbers <= {arguments.split()[0] for arguments in VALUES[command]}
    assert FILES[command]
