# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Every entry point refuses a checkpoint with code, names it, and runs none of the code."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import mmpose
import pytest
import torch
from checkpoint_files import write_program
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmpose.apis import init_model

from mmpose_ext.apps.main import main
from mmpose_ext.engine import UnsafeCheckpointError

TOOLS = Path(mmpose.__file__).parent / '.mim' / 'tools'
DETECTOR = 'configs/demo/detector_rtmdet_160x128.py'


class Payload:
    """An object whose unpickling makes a folder, the side effect that must not happen."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


class Place:
    """The files that the entry points get, in one folder."""

    def __init__(self, folder: Path, root: Path, config: Config) -> None:
        self.folder, self.root = folder, root
        self.config = folder / 'config.py'
        config.dump(self.config)
        # the commands load safely whatever a config imports
        self.bare_config = self.without_imports(self.config)
        self.detector = self.without_imports(root / DETECTOR)
        self.checkpoint = folder / 'work' / 'epoch_1.pth'
        self.images = Path(config.train_dataloader.dataset.data_root) / 'images'
        self.ann = self.images.parent / 'annotations.json'
        self.image = self.images / '000001.png'

    def without_imports(self, config: Path) -> Path:
        """Return the config without ``custom_imports``, and therefore without safe loading."""
        content = Config.fromfile(config, import_custom_modules=False)
        content.pop('custom_imports')
        content.dump(self.folder / f'bare_{config.name}')
        return self.folder / f'bare_{config.name}'

    def options(self, *settings: str) -> list[str]:
        return [str(self.config), '--work-dir', str(self.folder / 'work'), *settings]


def tool(path: Path, *arguments: object) -> None:
    """Run a script as the command line does."""
    sys.argv = [str(path), *map(str, arguments)]
    runpy.run_path(str(path), run_name='__main__')


def command(*arguments: object) -> None:
    """Run ``mmpose-ext``, which prints what is wrong and ends with status 2."""
    if status := main([str(argument) for argument in arguments]):
        raise SystemExit(status)


def train_load_from(place):
    tool(TOOLS / 'train.py', *place.options('--cfg-options', f'load_from={place.checkpoint}'))


def train_resume_file(place):
    tool(TOOLS / 'train.py', *place.options('--resume', place.checkpoint))


def train_resume_by_itself(place):
    (place.folder / 'work' / 'last_checkpoint').write_text(str(place.checkpoint))
    tool(TOOLS / 'train.py', *place.options('--resume'))


def train_init_cfg(place):
    config = Config.fromfile(place.config)
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(place.checkpoint))
    config.dump(place.config)
    tool(TOOLS / 'train.py', *place.options())


def mmpose_test(place):
    tool(TOOLS / 'test.py', *[place.config, place.checkpoint, *place.options()[1:]])


def predict(place):
    out = place.folder / 'out'
    command(
        'predict', place.bare_config, place.checkpoint, place.image, '--whole-image', '--out', out
    )


def predict_with_detector(place):
    good = place.folder / 'good.pth'
    weights = init_model(str(place.bare_config), device='cpu').state_dict()
    torch.save(dict(state_dict=weights, meta={}), good)
    boxes = ['--det-config', place.detector, '--det-checkpoint', place.checkpoint]
    command('predict', place.bare_config, good, place.image, *boxes, '--out', place.folder / 'out')


def detect(place):
    data = ['--ann', place.ann, '--images', place.images, '--out', place.folder / 'found.json']
    command('detect', place.detector, place.checkpoint, *data, '--quiet')


def export(place):
    command('export', place.bare_config, place.checkpoint, '--out', place.folder / 'model.onnx')


def browse(place):
    out = place.folder / 'out'
    command('browse', place.bare_config, '--checkpoint', place.checkpoint, '--out', out)


def label_small_people(place):
    files = [place.ann, place.images, place.folder / 'labeled.json']
    script = place.root / 'tools' / 'label_small_people.py'
    tool(script, place.bare_config, place.checkpoint, *files)


MMPOSES = [train_load_from, train_resume_file, train_resume_by_itself, train_init_cfg, mmpose_test]
ENTRY_POINTS = [
    *MMPOSES,
    predict,
    predict_with_detector,
    detect,
    export,
    browse,
    label_small_people,
]


@pytest.fixture
def place(tmp_path, root, make_config, monkeypatch, mmengines_own_loaders):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, root, make_config())


@pytest.mark.parametrize(
    ('enter', 'kind'),
    [
        *((enter, 'zip') for enter in ENTRY_POINTS),
        (export, 'before torch 1.6'),
        (export, 'TorchScript'),
        (mmpose_test, 'TorchScript'),
    ],
    ids=lambda value: getattr(value, '__name__', None),
)
def test_a_malicious_checkpoint_is_refused(enter, kind, place, mmengines_own_loaders, capfd):
    target = place.folder / 'code_was_run'
    place.checkpoint.parent.mkdir(exist_ok=True)
    if kind == 'TorchScript':
        write_program(place.checkpoint)
    else:
        weights = dict(weight=torch.zeros(2), other=Payload(target))
        content = dict(state_dict=weights, meta={}, optimizer={}, message_hub={})
        torch.save(content, place.checkpoint, _use_new_zipfile_serialization=kind == 'zip')
    with pytest.raises((SystemExit, UnsafeCheckpointError)) as refusal:
        enter(place)
    told = f'{refusal.value} {capfd.readouterr().err}'
    assert place.checkpoint.name in told and 'refused' in told
    assert ('TorchScript' if kind == 'TorchScript' else 'mkdir') in told
    assert not target.exists()
    if enter not in MMPOSES:  # mmpose's tools run in processes of their own
        assert dict(CheckpointLoader._schemes) == mmengines_own_loaders
    for name in ('model.onnx', 'found.json', 'labeled.json'):
        assert not (place.folder / name).exists()
