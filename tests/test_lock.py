# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The locked environment can be installed with the interpreters that people have."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.specifiers import SpecifierSet


def locked(root) -> dict[str, str]:
    """Package names and versions of the two lock files."""
    lines = [
        line
        for name in ('lock.txt', 'lock-source.txt')
        for line in (root / 'requirements' / name).read_text().splitlines()
        if line and not line.startswith('#')
    ]
    return dict(re.fullmatch(r'([\w.-]+)===?([\w.]+)', line).groups() for line in lines)


# Debian 12's Python, Ubuntu 24.04's
@pytest.mark.parametrize('python', ['3.11.2', '3.12.3'])
def test_locked_packages_take_this_python(root, python):
    refused = {}
    for name in locked(root):
        needed = metadata.metadata(name)['Requires-Python']
        if needed and not SpecifierSet(needed).contains(python):
            refused[name] = needed
    assert not refused


def test_environment_is_the_locked_one(root):
    """Else the test above has looked at other versions."""
    installed = {name: metadata.version(name).split('+')[0] for name in locked(root)}
    assert installed == locked(root)


# what is compiled is kept unless that changes which it is compiled with
@pytest.mark.parametrize(
    'lock, same',
    [
        (b'soupsieve==2.11\nnumpy==2.3.5\ntorch===2.13.0\n', True),  # another package
        (b'torch===2.13.0\nnumpy==2.3.5\nsoupsieve==2.10\n', True),  # another order
        (b'soupsieve==2.10\nnumpy==2.3.5\ntorch===2.13.1\n', False),
        (b'soupsieve==2.10\nnumpy==2.4.0\ntorch===2.13.0\n', False),
    ],
)
def test_compiled_packages_are_kept(root, monkeypatch, lock, same):
    monkeypatch.syspath_prepend(str(root / 'tools'))
    from setup_env import wheels_key

    source = b'onedl-mmcv==2.3.6\n'
    first = wheels_key(b'soupsieve==2.10\nnumpy==2.3.5\ntorch===2.13.0\n', source)
    assert (wheels_key(lock, source) == first) == same
    assert wheels_key(lock, source + b'xtcocotools==1.14.3\n') != first
