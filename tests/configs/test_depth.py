# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""A config and its chain of bases are at most three files."""

from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py'))


def depth(path: Path) -> int:
    bases = Config._get_base_files(str(path))
    return 1 + max((depth(path.parent / base) for base in bases), default=0)


@pytest.mark.parametrize('name', FILES)
def test_at_most_three_files_deep(name):
    assert depth(ROOT / name) <= 3
