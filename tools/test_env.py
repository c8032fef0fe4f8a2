# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Set up environments of MMPose's users and run the quick tests in each.

Usage: python3 tools/test_env.py [NAME ...] [--python PATH] [--list] [--pytest='-x tests/codecs']

Without a name, the script tests all of them. Each is a virtual environment in ``build/env/NAME``
that :mod:`setup_env` makes from a list of pinned packages. It stays there for the next call, and
compiled packages stay in the user's cache. ``requirements/lock.txt`` is tested on each Python that
it supports; every other list, in ``requirements/environments``, is for one Python.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from setup_env import LOCK, ROOT, pythons_of

LISTS = ROOT / 'requirements' / 'environments'
FOLDER = ROOT / 'build' / 'env'


def environments() -> dict[str, tuple[Path, str]]:
    """Return the environments by name: the list of packages and the Python version of each."""
    found = {f'lock-py{python.replace(".", "")}': (LOCK, python) for python in pythons_of(LOCK)}
    for lock in sorted(LISTS.glob('*.txt')):
        if not lock.stem.endswith('-source'):
            found[lock.stem] = (lock, pythons_of(lock)[0])
    return found


def version_of(python: str) -> str | None:
    """Return the version of an interpreter, '3.10'; None if it is missing or does not start."""
    command = [python, '-c', 'import sys; print("{}.{}".format(*sys.version_info))']
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True).strip()
    except (OSError, subprocess.CalledProcessError):  # pyenv's shims may exist but fail
        return None


def find_python(version: str) -> str | None:
    """Find an interpreter of this version on PATH, or else among pyenv's."""
    candidates = [shutil.which(f'python{version}'), sys.executable]
    pyenv = shutil.which('pyenv')
    if pyenv:
        root = Path(subprocess.check_output([pyenv, 'root'], text=True).strip())
        candidates += sorted(map(str, root.glob(f'versions/{version}.*/bin/python')))
    return next((path for path in candidates if path and version_of(path) == version), None)


def test(name: str, python: str | None, arguments: list[str]) -> str:
    """Set up one environment, run the tests in it, and return the outcome in a few words."""
    lock, version = environments()[name]
    python = python or find_python(version)
    if python is None:
        return f'no Python {version} found: install it or give --python'
    venv = FOLDER / name
    setup = [python, ROOT / 'tools' / 'setup_env.py', '--venv', venv, '--lock', lock]
    if subprocess.call(list(map(str, setup))):
        return 'set-up failed'
    environment = {
        **os.environ,
        'PATH': f'{venv / "bin"}:{os.environ["PATH"]}',
        'MMPOSE_EXT_LOCK': str(lock),
    }
    command = [venv / 'bin' / 'python', '-m', 'pytest', '-m', 'not long', *arguments]
    started = time.monotonic()
    failed = subprocess.call(list(map(str, command)), cwd=str(ROOT), env=environment)
    return f'{"failed" if failed else "passed"} in {time.monotonic() - started:.0f} s'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'names', nargs='*', metavar='NAME', help='environments to test (default: all)'
    )
    parser.add_argument('--python', help='interpreter, for a single environment')
    parser.add_argument('--list', action='store_true', help='print the names and stop')
    parser.add_argument('--pytest', default='', help='more arguments for pytest, in one string')
    args = parser.parse_args()
    known = environments()
    if args.list:
        print('\n'.join(f'{name:16} Python {python}' for name, (_, python) in known.items()))
        return 0
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f'no environment {unknown[0]!r}; the environments are {", ".join(known)}')
    if args.python and len(args.names) != 1:
        parser.error('--python goes with one environment')
    outcomes = {}
    for name in args.names or known:
        outcomes[name] = test(name, args.python, shlex.split(args.pytest))
    print('\n'.join(f'{name:16} {outcome}' for name, outcome in outcomes.items()))
    return int(not all(outcome.startswith('passed') for outcome in outcomes.values()))


if __name__ == '__main__':
    sys.exit(main())
