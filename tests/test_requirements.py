# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
import subprocess
import sys

import pytest

from mmpose_ext.requirements import check_requirements, parse_version


@pytest.mark.parametrize(
    'text, version',
    [('2.13.0+cu130', (2, 13, 0)), ('0.10.12', (0, 10, 12)), ('1.3.2rc1', (1, 3, 2)), ('?', ())],
)
def test_parse_version(text, version):
    assert parse_version(text) == version


def test_this_environment_is_fine():
    check_requirements()


@pytest.mark.parametrize(
    'setup, message',
    [
        # not there
        ('sys.modules["mmcv"] = None', 'needs mmcv >= 2.0.0'),
        # too old
        ('import mmengine; mmengine.__version__ = "0.9.1"', 'found 0.9.1; upgrade it with: pip'),
        # there, but its own import fails
        (
            'import mmpose.version; mmpose.version.__version__ = None; '
            'sys.modules["mmpose"] = type(sys)("mmpose"); '
            'sys.modules["mmpose"].__spec__ = importlib.util.find_spec("json")',
            'mmpose >= 1.3.0, whose import fails',
        ),
    ],
)
def test_one_line_names_what_is_missing(setup, message):
    script = f'import sys, importlib.util\n{setup}\nimport mmpose_ext'
    result = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith('ImportError: mmpose_ext needs')
    assert message in last
    assert 'pip install' in last
