# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""MMPose's tools that look at a config, its data or its log."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import matplotlib
import mmpose
import pytest
from mim.commands.run import run as mim_run
from mmengine.config import Config

from mmpose_ext.apps.complexity.counting import complexity_of_config
from mmpose_ext.apps.synthetic import generate

TOOLS = Path(mmpose.__file__).parent / '.mim' / 'tools'
TOPDOWN = 'configs/demo/attention_resnet18_128x96.py'
STRONGPOSE = 'configs/demo/strongpose_resnet18_193x193.py'
CLUSTER = 'configs/demo/cluster_hourglass2_160x160.py'


def run_tool(monkeypatch, name: str, *args) -> None:
    """Run a tool as ``mim run mmpose NAME`` does."""
    (script,) = TOOLS.rglob(f'{name}.py')
    monkeypatch.setattr(sys, 'argv', [script.name, *map(str, args)])
    runpy.run_path(str(script), run_name='__main__')


def test_mim_run(root, capfd):
    """mim's own command finds the scripts that the other tests run."""
    done, error = mim_run('mmpose', 'print_config', other_args=(str(root / TOPDOWN),))
    assert done, error
    assert "dataset_type = 'CheckedCocoDataset'" in capfd.readouterr().out


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Make a folder in which the demo configs find their data."""
    folder = tmp_path_factory.mktemp('tools')
    for name in ('demo', 'demo-strongpose', 'demo-cluster'):
        generate(folder / 'build' / name / 'data', dict(train=4, val=2), people=(2, 2))
    return folder


@pytest.mark.parametrize(
    'config',
    [
        TOPDOWN,
        STRONGPOSE,
        CLUSTER,
        'configs/lsp/clnet_resnet18_lspet_128x128.py',
        'configs/lsp/frsbn_resnet18_lspet_64x64.py',
    ],
)
def test_get_flops(root, monkeypatch, capsys, config):
    complexity, (width, height) = complexity_of_config(str(root / config))
    run_tool(monkeypatch, 'get_flops', root / config, '--input-shape', height, width)
    told = float(capsys.readouterr().out.split('Params: ')[1].split('M')[0])
    assert told == pytest.approx(complexity.params / 1e6, rel=0.01)


@pytest.mark.parametrize('config', [TOPDOWN, STRONGPOSE, CLUSTER])
@pytest.mark.parametrize('mode', ['original', 'transformed'])
def test_browse_dataset(root, data, tmp_path, monkeypatch, config, mode):
    monkeypatch.chdir(data)
    for phase in ('train', 'val'):
        folder = tmp_path / phase
        args = (root / config, '--not-show', '--output-dir', folder, '--max-item-per-dataset=2')
        run_tool(monkeypatch, 'browse_dataset', *args, '--phase', phase, '--mode', mode)
        pictures = [path for path in folder.rglob('*') if path.is_file()]
        assert len(pictures) == 2 and all(cv2.imread(str(path)) is not None for path in pictures)


def test_print_config(root, tmp_path, monkeypatch, capsys):
    run_tool(monkeypatch, 'print_config', root / TOPDOWN, '--options', 'train_cfg.max_epochs=7')
    text = capsys.readouterr().out.split('Config:\n', 1)[1]
    (tmp_path / 'printed.py').write_text(text)
    printed, cfg = Config.fromfile(tmp_path / 'printed.py'), Config.fromfile(root / TOPDOWN)
    assert printed.train_cfg.max_epochs == 7 and printed.model == cfg.model


def test_analyze_logs(tmp_path, monkeypatch, capsys):
    """The tool reads a log of mmengine, of two epochs with equally many entries."""
    pytest.importorskip('seaborn', reason="mmpose's analyze_logs needs seaborn")
    lines = [
        dict(epoch=epoch, iter=i, step=i, time=0.5 + i / 100, loss=1 / i, lr=0.1)
        for epoch, i in ((1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6))
    ]
    log = tmp_path / 'scalars.json'
    log.write_text('\n'.join(map(json.dumps, [*lines, {'coco/AP': 0.5, 'step': 2}])))
    run_tool(monkeypatch, 'analyze_logs', 'cal_train_time', log)
    assert 'average iter time: 0.5400 s/iter' in capsys.readouterr().out
    out = tmp_path / 'curve.png'
    with matplotlib.rc_context():  # seaborn sets its style for the whole process
        run_tool(monkeypatch, 'analyze_logs', 'plot_curve', log, '--keys=loss', '--out', out)
    assert cv2.imread(str(out)) is not None
