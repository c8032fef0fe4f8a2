# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The locked environments can be installed with common interpreters."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

LOCK = 'requirements/lock.txt'


@pytest.fixture
def tools(root, monkeypatch):
    """Let tests import from tools/."""
    monkeypatch.syspath_prepend(str(root / 'tools'))


def packages(lock: Path) -> dict[str, str]:
    """Return names and versions of a list of packages and of its list of packages to compile."""
    lines = [
        line
        for file in (lock, lock.with_name(f'{lock.stem}-source.txt'))
        for line in file.read_text().splitlines()
        if line and not line.startswith('#')
    ]
    return dict(re.fullmatch(r'([\w.-]+)===?([\w.]+)', line).groups() for line in lines)


@pytest.fixture
def lock(root) -> Path:
    """Return the list that this environment was made from (tools/test_env.py names it)."""
    return root / os.environ.get('MMPOSE_EXT_LOCK', LOCK)


def test_environment_is_the_locked_one(lock):
    """Otherwise the test below would check other versions."""
    installed = {name: metadata.version(name).split('+')[0] for name in packages(lock)}
    assert installed == packages(lock)


def test_locked_packages_take_their_pythons(lock, tools):
    from setup_env import pythons_of

    pythons = pythons_of(lock)
    assert '.'.join(platform.python_version_tuple()[:2]) in pythons
    # Debian 12's Python and Ubuntu 24.04's are older than the newest of their series
    exact = {'3.11': '3.11.2', '3.12': '3.12.3'}
    refused = {}
    for name in packages(lock):
        needed = metadata.metadata(name)['Requires-Python']
        for python in pythons:
            if needed and not SpecifierSet(needed).contains(exact.get(python, f'{python}.0')):
                refused[name] = needed
    assert not refused


def test_environments(root, tools):
    """Each has both lists, pinned versions and one Python; the lock is for three Pythons."""
    from test_env import environments

    found = environments()
    assert {name for name in found if name.startswith('lock-')} == {
        'lock-py311',
        'lock-py312',
        'lock-py313',
    }
    assert {python for _, python in found.values()} >= {'3.8', '3.10', '3.11', '3.12', '3.13'}
    for name, (list_of_packages, python) in found.items():
        versions = packages(list_of_packages)
        assert {'torch', 'numpy', 'mmpose', 'pytest'} <= set(versions), name
        assert name.endswith(python.replace('.', '')) or name.startswith(
            f'py{python.replace(".", "")}-'
        )


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['py27-torch01'], "no environment 'py27-torch01'; the environments are lock-py311, "),
        (['--python', 'python3'], '--python goes with one environment'),
    ],
)
def test_arguments_of_test_env(tools, monkeypatch, capsys, arguments, message):
    import test_env

    monkeypatch.setattr('sys.argv', ['test_env.py', *arguments])
    with pytest.raises(SystemExit):
        test_env.main()
    assert message in capsys.readouterr().err


def test_a_missing_python_is_told(tools, monkeypatch):
    import test_env

    monkeypatch.setattr(test_env, 'version_of', lambda python: '2.7')
    assert test_env.test('py38-torch20', None, []).startswith('no Python 3.8 found')


# compiled packages are kept unless the packages change that they are compiled with
@pytest.mark.parametrize(
    'lock, same',
    [
        (b'soupsieve==2.11\nnumpy==2.3.5\ntorch===2.13.0\n', True),  # another package
        (b'torch===2.13.0\nnumpy==2.3.5\nsoupsieve==2.10\n', True),  # another order
        (b'soupsieve==2.10\nnumpy==2.3.5\ntorch===2.13.1\n', False),
        (b'soupsieve==2.10\nnumpy==2.4.0\ntorch===2.13.0\n', False),
    ],
)
def test_compiled_packages_are_kept(tools, lock, same):
    from setup_env import wheels_key

    source = b'onedl-mmcv==2.3.6\n'
    first = wheels_key(b'soupsieve==2.10\nnumpy==2.3.5\ntorch===2.13.0\n', source)
    assert (wheels_key(lock, source) == first) == same
    assert wheels_key(lock, source + b'xtcocotools==1.14.3\n') != first


def test_old_setup_py_reads_what_exec_assigned(tools):
    """The setup.py of xtcocotools does this, and gets a KeyError from plain Python 3.13."""
    from setup_env import OLD_SETUP_PY

    lines = [
        'def version():',
        '    exec("__version__ = \'1.14.3\'")',
        '    return locals()["__version__"]',
        'print(version())',
    ]
    environment = {**os.environ, 'PYTHONPATH': str(OLD_SETUP_PY)}
    command = [sys.executable, '-c', '\n'.join(lines)]
    assert subprocess.check_output(command, env=environment, text=True) == '1.14.3\n'
