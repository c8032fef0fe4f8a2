# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Nothing is downloaded unless a config names an address to load from."""

import socket
import urllib.request

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from mmpose_ext.apps.main import main


class NetworkUsed(Exception):
    """An error instead of a connection."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Make name look-ups and connections of torch and the standard library raise."""

    def refuse(*args, **kwargs):
        raise NetworkUsed(args)

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(urllib.request, 'urlopen', refuse)
    for name in ('load_state_dict_from_url', 'download_url_to_file'):
        monkeypatch.setattr(torch.hub, name, refuse)


def from_scratch(root):
    """Return the configs without weights, and the others with their weights removed."""
    small = [*(root / 'configs' / 'demo').glob('*.py'), *(root / 'configs' / 'lsp').glob('*.py')]
    return sorted(path for path in small if 'detector' not in path.name)


def test_configs_that_start_from_scratch_are_built(root):
    paths = from_scratch(root)
    assert len(paths) >= 8
    for path in paths:
        cfg = Config.fromfile(path)
        assert 'Pretrained' not in cfg.pretty_text, path.name
        with DefaultScope.overwrite_default_scope('mmpose'):
            MODELS.build(cfg.model).init_weights()


def test_a_training_and_a_test(make_config):
    runner = Runner.from_cfg(make_config(**{'train_cfg.max_epochs': 1}))
    runner.train()
    assert runner.test()['EPE'] > 0


def test_a_config_that_asks_for_weights_goes_to_the_network(make_config, monkeypatch, tmp_path):
    """Otherwise the tests above would pass whatever was called."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    config = make_config()
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='torchvision://resnet18')
    with pytest.raises(NetworkUsed):
        Runner.from_cfg(config).train()


# mmpose and mmdet know models by such names and download them
@pytest.mark.parametrize('name', ['human', 'rtmpose-m_8xb256-420e_coco-256x192'])
def test_names_of_models_are_no_files(name, tmp_path, capsys):
    for arguments in (
        ['predict', name, name, 'image.png', '--whole-image', '--out', str(tmp_path / 'out')],
        ['detect', name, name, '--ann', 'a.json', '--images', 'i', '--out', str(tmp_path / 'o')],
        ['export', name, name, '--out', str(tmp_path / 'o.onnx')],
        ['browse', name, '--checkpoint', name, '--out', str(tmp_path / 'out')],
    ):
        assert main(arguments) == 2
        assert 'error: ' in (told := capsys.readouterr().err) and 'not' in told, arguments
