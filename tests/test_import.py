# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Importing the package registers components; a config's own steps change mmengine."""

import subprocess
import sys

import pytest
from mmengine.config import Config

STEPS = ('mmpose_ext.safe_loading', 'mmpose_ext.cpu_launcher', 'mmpose_ext.checked_coco')
# prints one fact per line, in a separate process
SCRIPT = """
import os, sys, torch
from mmengine.dist import utils
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

class Whole(torch.nn.Linear):
    pass

file = sys.argv[1]
torch.save(dict(state_dict=Whole(2, 1).state_dict(), meta=dict(maker=Whole(2, 1))), file)

def state():
    return (
        dict(CheckpointLoader._schemes),
        torch.load,
        utils._init_dist_pytorch,
        MMDistributedDataParallel.__init__,
    )

def tell(*words):
    print('fact:', *words)

before = state()
import mmpose_ext
from mmpose.registry import DATASETS, METRICS, MODELS
tell('registered', 'CBAM' in MODELS)
tell('unchanged', state() == before)

def load():
    load_checkpoint(torch.nn.Linear(2, 1), file)
    return 'loaded'

# a user's own way to load old files, which holds for mmengine's loaders
os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'
tell('alone', load())
with mmpose_ext.engine.safely_loading():
    try:
        tell('block', load())
    except mmpose_ext.engine.UnsafeCheckpointError:
        tell('block refused')
tell('after', load())
import mmpose_ext.safe_loading
try:
    tell('step', load())
except mmpose_ext.engine.UnsafeCheckpointError:
    tell('step refused')
with mmpose_ext.engine.safely_loading():
    pass
try:
    tell('still', load())
except mmpose_ext.engine.UnsafeCheckpointError:
    tell('still refused')
tell('launcher unchanged', state()[1:] == before[1:])
import mmpose_ext.cpu_launcher
tell('launcher', utils._init_dist_pytorch is not before[2])

def makers():
    found = DATASETS.get('CocoDataset'), METRICS.get('CocoMetric')
    return [entry.__module__.split('.')[0] for entry in found]

tell(*makers())
import mmpose_ext.checked_coco
tell(*makers())
"""


def test_import_alone_changes_nothing(tmp_path):
    result = subprocess.run(
        [sys.executable, '-c', SCRIPT, str(tmp_path / 'old.pth')], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    lines = result.stdout.splitlines()
    assert [line[len('fact: ') :] for line in lines if line.startswith('fact: ')] == [
        'registered True',
        'unchanged True',
        'alone loaded',
        'block refused',
        'after loaded',
        'step refused',
        'still refused',
        'launcher unchanged True',
        'launcher True',
        'mmpose mmpose',
        'mmpose_ext mmpose_ext',
    ]


def configs(root):
    return sorted(path for path in (root / 'configs').rglob('*.py') if '_base_' not in path.parts)


def test_every_config_takes_the_steps(root):
    for path in configs(root):
        config = Config.fromfile(path, import_custom_modules=False)
        assert set(config.custom_imports.imports) >= {'mmpose_ext', *STEPS}, path.name


@pytest.mark.parametrize('step', STEPS)
def test_steps_say_what_they_change(step):
    """The steps' docstrings are the reference, and the pages name them."""
    module = __import__(step, fromlist=['__doc__'])
    assert 'custom_imports' in module.__doc__
