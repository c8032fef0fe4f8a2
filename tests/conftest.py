# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Fixtures shared by all tests."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _fixed_seed():
    """Give each test the same random numbers, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope='session', autouse=True)
def _mmposes_own_classes():
    """Let 'CocoDataset' and 'CocoMetric' name mmpose's classes, whatever configs a test loads."""
    if 'mmpose_ext' not in sys.modules:
        return
    importlib.import_module('mmpose_ext.checked_coco')  # so that no config's import comes later
    from mmpose.datasets import CocoDataset
    from mmpose.evaluation import CocoMetric
    from mmpose.registry import DATASETS, METRICS

    DATASETS.register_module(name='CocoDataset', module=CocoDataset, force=True)
    METRICS.register_module(name='CocoMetric', module=CocoMetric, force=True)


@pytest.fixture(scope='session')
def root() -> Path:
    """Return the checkout's root folder."""
    return ROOT


@pytest.fixture(scope='session')
def sources(root, tmp_path_factory) -> Path:
    """Copy the checkout without what git ignores, to build from."""
    ignored = (root / '.gitignore').read_text().split()
    names = [Path(pattern).name for pattern in ignored]
    target = tmp_path_factory.mktemp('sources') / root.name
    shutil.copytree(root, target, ignore=shutil.ignore_patterns('.git', *names))
    return target


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Return the folder of real images next to the checkout; skip the test without it."""
    folder = ROOT.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip(f'real images not found: {folder}')
    return folder
