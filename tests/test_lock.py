# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The locked environment can be installed with the interpreters that people have."""

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
