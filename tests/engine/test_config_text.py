# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import os
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpose_ext.engine.config_text import is_plain_config

# mmengine replaces {{$NAME:DEFAULT}} first, which leaves one quotation mark here
SUBSTITUTED = '''a = ["""{{$NONE:1""}}""", "]; __import__('os').mkdir('code_was_run') #"]'''


@pytest.fixture(autouse=True)
def _planted(tmp_path, monkeypatch):
    """Make a module ``planted`` that can be imported."""
    (tmp_path / 'planted.py').write_text('import os\nos.mkdir("code_was_run")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    assert os.listdir(tmp_path) == ['planted.py']


@pytest.mark.parametrize(
    'text',
    [
        '',
        "a = 1\nb = dict(type='ResNet', depth=50, x=[1, -2.5, (None, True)])\nc = {'k': {1, 2}}",
        'a = inf',  # how pretty_text writes it
        "a = dict(dict(b=1), **{'c': 2})",
        'custom_imports = None',
        "custom_imports = dict(imports=['mmpose_ext.quiet', 'json'], allow_failed_imports=False)",
        "default_scope = 'mmpose'\nmodel = dict(type='mmdet.RTMDet', _scope_='mmdet')",
        "model = dict(type='mmpose.models.heads.HeatmapHead', act=dict(type='torch.nn.ReLU'))",
        "loader = dict(collate_fn=dict(type='mmengine.dataset.utils.pseudo_collate'))",
        "info = dict(keypoints={0: dict(name='nose', type='')})",
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
        "custom_imports = dict(imports=['planted', 'json'])",
        "custom_imports = dict(imports='planted')",
        "x = dict(imports=['planted'])\ncustom_imports = x",
        'custom_imports = dict(imports=dict(planted=1))',
        "model = dict(type='planted')",
        "model = dict(type='planted.Model')",
        "model = [dict(a=dict(type='os.system', command='x'))]",
        "a = 'os.system'\nmodel = dict(type=a)",
        "model = dict([('type', 'os.system')])",
        "model = dict(type='subprocess.Popen')",
        "model = dict(type='mmengine.config.Config.fromfile', filename='x.py')",
        "model = dict(type='mmengine.config.os.system')",
        "model = dict(type='torch.hub.load')",
        "model = dict(type='torch.nn.modules.module.torch.hub.load')",
        "model = dict(type=__import__, name='planted')",
        "model = dict(type=open, file='x', mode='w')",
        "default_scope = 'planted'",
        "model = dict(type='ResNet', _scope_='planted')",
        SUBSTITUTED,
    ],
)
def test_code(text):
    assert not is_plain_config(text)


def test_substitution_would_run_code():
    Config.fromstring(SUBSTITUTED, '.py')
    Path('code_was_run').rmdir()  # otherwise the test above would pass whatever was checked


def test_real_configs_are_data(root):
    paths = sorted(path for path in root.glob('configs/**/*.py') if '_base_' not in path.parts)
    assert paths
    for path in paths:
        assert is_plain_config(Config.fromfile(path).pretty_text), path
