# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The wheel works in a separate environment without the sources: configs, registry, one step."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

SCRIPT = """
import json
from pathlib import Path
import mmpose_ext
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import KEYPOINT_CODECS, MODELS

init_default_scope('mmpose')
home = Path(mmpose_ext.__file__).parent
configs = sorted((home / '.mim' / 'configs').rglob('*.py'))
for path in configs:
    Config.fromfile(path)
print(json.dumps(dict(
    home=str(home),
    configs=[path.name for path in configs],
    registered=[name for name in ('PluginResNet', 'DiskOffsetHead', 'ClusterTagLoss')
                if name in MODELS] + [n for n in ('ClusterTag', ) if n in KEYPOINT_CODECS],
)))
"""


@pytest.fixture(scope='module')
def environment(sources, tmp_path_factory) -> Path:
    """Make a virtual environment with the wheel, and with the heavy packages through a path.

    A .pth file's folders come after the environment's own packages, and their own .pth files have
    no effect. This package's editable install is therefore not visible.
    """
    folder = tmp_path_factory.mktemp('elsewhere')
    wheel = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation']
    subprocess.run([*wheel, '-w', folder, sources], check=True, capture_output=True)
    venv = folder / 'venv'
    subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
    packages = venv.glob('lib/python*/site-packages')
    (next(packages) / 'heavy.pth').write_text(sysconfig.get_path('purelib') + '\n')
    install = [venv / 'bin' / 'python', '-m', 'pip', 'install', '--no-deps', '--force-reinstall']
    built = next(folder.glob('mmpose_ext-*.whl'))
    subprocess.run([*install, built], check=True, capture_output=True)
    return folder


def run(environment: Path, *command: str) -> str:
    """Run a program of the environment in its folder; return its output."""
    binaries = environment / 'venv' / 'bin'
    variables = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    variables['PATH'] = f'{binaries}:{variables["PATH"]}'
    program = [str(binaries / command[0]), *command[1:]]
    result = subprocess.run(program, cwd=environment, env=variables, capture_output=True, text=True)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    return result.stdout


@pytest.mark.long
def test_configs_are_found_and_the_registry_is_filled(root, environment):
    found = json.loads(run(environment, 'python', '-c', SCRIPT).splitlines()[-1])
    assert environment / 'venv' in Path(found['home']).parents
    expected = sorted((root / 'configs').rglob('*.py'))
    assert sorted(found['configs']) == sorted(path.name for path in expected)
    assert found['registered'] == ['PluginResNet', 'DiskOffsetHead', 'ClusterTagLoss', 'ClusterTag']


@pytest.mark.long
def test_one_training_step(environment):
    data = environment / 'build' / 'demo' / 'data'
    sizes = ('--train', '2', '--val', '1', '--people', '1', '1')
    run(environment, 'mmpose-ext', 'synthetic', '--out', str(data), *sizes)
    (config,) = environment.glob(
        'venv/lib/python*/site-packages/mmpose_ext/.mim/configs/demo/attention_resnet18_128x96.py'
    )
    options = (
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=2',
    )
    train = ('train', 'mmpose', str(config), '--work-dir', str(environment / 'work'))
    run(environment, 'python', '-m', 'mim', *train, '--cfg-options', *options)
    assert list((environment / 'work').glob('epoch_1.pth'))
    (scalars,) = (environment / 'work').glob('*/vis_data/scalars.json')
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert any('coco/AP' in step for step in steps)
