# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The wheel's and the editable install's contents, and mim's view of them."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml


@pytest.fixture(scope='module')
def wheels(sources):
    """Build the sources' wheel and editable wheel."""
    script = (
        'import os, sys; from setuptools import build_meta as b; os.chdir(sys.argv[1]);'
        'print(b.build_wheel("dist"));print(b.build_editable("dist-editable"))'
    )
    subprocess.run([sys.executable, '-c', script, str(sources)], check=True, capture_output=True)
    plain = next((sources / 'dist').glob('*.whl'))
    return sources, plain, next((sources / 'dist-editable').glob('*.whl'))


def test_wheel_holds_configs_tools_and_model_index(root, wheels):
    _, plain, _ = wheels
    names = set(zipfile.ZipFile(plain).namelist())
    assert 'mmpose_ext/.mim/model-index.yml' in names
    assert 'mmpose_ext/.mim/configs/attention_resnet50_256x192.py' in names
    assert 'mmpose_ext/.mim/configs/_base_/default_runtime.py' in names
    assert 'mmpose_ext/.mim/tools/complexity.py' in names
    assert not any(name.startswith('tests/') or '__pycache__' in name for name in names)


def test_wheel_needs_nothing_heavy(wheels):
    _, plain, _ = wheels
    archive = zipfile.ZipFile(plain)
    (metadata,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
    needed = [line for line in archive.read(metadata).splitlines() if b'Requires-Dist' in line]
    assert all(b'extra == ' in line for line in needed), needed


def test_editable_install_points_back_to_the_source(wheels):
    source, _, editable = wheels
    archive = zipfile.ZipFile(editable)
    index = yaml.safe_load(archive.read('mmpose_ext/.mim/model-index.yml'))
    assert all(path.startswith(str(source)) for path in index['Import'])
    (record,) = (name for name in archive.namelist() if name.endswith('.dist-info/RECORD'))
    assert b'mmpose_ext/.mim/model-index.yml,sha256=' in archive.read(record)
    assert (source / 'mmpose_ext/.mim/configs/attention_resnet50_256x192.py').exists()
    path_file = next(name for name in archive.namelist() if name.endswith('.pth'))
    assert archive.read(path_file).decode().strip() == str(source)


def test_every_path_in_the_metafiles_exists(root):
    index = yaml.safe_load((root / 'model-index.yml').read_text())
    configs = set()
    for metafile in index['Import']:
        content = yaml.safe_load((root / metafile).read_text())
        for collection in content['Collections']:
            assert (root / collection['README']).exists(), collection['README']
        for model in content['Models']:
            assert (root / model['Config']).exists(), model['Config']
            configs.add(model['Config'])
    assert 'configs/attention_resnet50_256x192.py' in configs


def test_mim_reads_every_model(root, monkeypatch):
    """mim's own loader and table have each model once, with its config, paper and page."""
    from mim.commands.search import convert2df
    from modelindex.load_model_index import load

    table = convert2df(load(str(root / 'model-index.yml')))
    assert table.index.is_unique
    for name, row in table.iterrows():
        assert Path(row['config']).stem == name
        assert (root / row['config']).exists() and (root / row['readme']).exists()
        assert row['training_data'] and row['architecture']
    configs = [*(root / 'configs').glob('*.py'), *(root / 'configs' / 'ablation').glob('*.py')]
    assert {path.stem for path in configs} == set(table.index)


@pytest.mark.parametrize(
    'name', ['attention', 'CLNet', 'FRSBN', 'StrongPose', 'cluster', 'SimpleBaseline']
)
def test_mim_finds_models_by_names_that_one_types(root, name):
    """``mim search mmpose_ext --model NAME`` takes the first word of the configs' names."""
    from mim.commands.search import convert2df, filter_by_models
    from modelindex.load_model_index import load

    table = convert2df(load(str(root / 'model-index.yml')))
    assert not any(' ' in known for known in table['model'])
    found = filter_by_models(table, [name])
    assert set(found['model']) == {name.lower()} and len(found) > 1
    named = [config for config in table.index if config.startswith(f'{name.lower()}_')]
    assert named and set(named) <= set(found.index)
    others = filter_by_models(table, sorted(set(table['model']) - {name.lower()}))
    assert len(found) + len(others) == len(table)


@pytest.mark.parametrize(
    'command, expected',
    [
        (['list'], 'mmpose-ext'),
        (
            ['search', 'mmpose_ext', '--config', 'attention_resnet50_256x192'],
            'config id: attention_resnet50_256x192',
        ),
    ],
)
def test_mim_sees_the_package(command, expected):
    """The package must be installed, as for `make test`."""
    result = subprocess.run(
        [sys.executable, '-m', 'mim', *command], capture_output=True, text=True, cwd='/'
    )
    assert expected in result.stdout, result.stdout + result.stderr
