# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Fixtures shared by all tests."""

import subprocess
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _fixed_seed():
    """The same random numbers in each test, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def root() -> Path:
    """The checkout's root folder."""
    return ROOT


@pytest.fixture(scope='session')
def sources(root, tmp_path_factory) -> Path:
    """A copy of what git tracks, as it is in the checkout, to build from."""
    target = tmp_path_factory.mktemp('sources')
    files = subprocess.run(['git', 'ls-files', '-z'], cwd=root, capture_output=True, check=True)
    for name in filter(None, files.stdout.decode().split('\0')):
        if (root / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((root / name).read_bytes())
    return target


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Real images beside the checkout; tests that need them skip where they are missing."""
    folder = ROOT.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip(f'real images not found: {folder}')
    return folder
