# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Create a pinned environment and install this package into it in editable mode.

Usage: python3.11 tools/setup_env.py [--venv .venv] [--lock requirements/lock.txt]

The script needs only the standard library. It builds the packages that must be compiled
(``lock-source.txt`` for ``lock.txt``) once, and keeps them in $XDG_CACHE_HOME/mmpose-ext (default
~/.cache/mmpose-ext). A stamp marks a finished environment, so that a second call returns at once.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / 'requirements' / 'lock.txt'
PACKAGE_FILES = [ROOT / name for name in ('setup.py', 'pyproject.toml', 'model-index.yml')]
BUILD_FLAGS = {'CFLAGS': '-g0 -O1', 'CXXFLAGS': '-g0 -O1', 'MMCV_WITH_OPS': '1'}
COMPILER = ROOT / 'tools' / 'torch_cxx.py'
OLD_SETUP_PY = ROOT / 'tools' / 'old_setup_py'  # goes into PYTHONPATH
BUILT_WITH = (b'Cython', b'ninja', b'numpy', b'setuptools', b'torch')  # packages in the lock
PYTHONS = re.compile(r'^# python:((?: \d\.\d+)+)$', re.MULTILINE)
NINJA_STEP = re.compile(rb'\[(\d+)/(\d+)\]')


def fingerprint(*contents: bytes) -> str:
    """Hash the kinds of interpreter and machine together with some contents."""
    digest = hashlib.sha256(f'{sys.version} {sysconfig.get_platform()} {BUILD_FLAGS}'.encode())
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]


def wheels_key(lock: bytes, lock_source: bytes) -> str:
    """Return a fingerprint of the compiled packages and of what they are compiled with."""
    lines = [line for line in lock.splitlines() if line.partition(b'=')[0] in BUILT_WITH]
    return fingerprint(*sorted(lines), lock_source)


def source_of(lock: Path) -> Path:
    """Return the list of packages to compile: ``lock-source.txt`` for ``lock.txt``."""
    return lock.with_name(f'{lock.stem}-source.txt')


def pythons_of(lock: Path) -> list[str]:
    """Return the Python versions that a lock supports, from its line ``# python: 3.11 3.12``."""
    return PYTHONS.search(lock.read_text()).group(1).split()


def check_machine(lock: Path) -> None:
    """Stop with a one-line message if the machine lacks something that pip cannot install."""
    pythons = pythons_of(lock)
    if '{}.{}'.format(*sys.version_info) not in pythons:
        raise SystemExit(
            f'{lock.name} is for Python {" and ".join(pythons)}, this is '
            f'{sys.version.split()[0]}; name another interpreter: make PYTHON=... demo'
        )
    missing = []
    if importlib.util.find_spec('ensurepip') is None:
        missing.append('python3-venv')
    if not Path(sysconfig.get_paths()['include'], 'Python.h').exists():
        missing.append('python3-dev')
    if shutil.which('g++') is None:
        missing.append('g++')
    if missing:
        raise SystemExit(f'Missing on this machine: apt-get install {" ".join(missing)}')


def say(text: str) -> None:
    """Print one line of progress without delay."""
    print(f'[setup {time.strftime("%H:%M:%S")}] {text}', flush=True)


def run(*command: str | Path) -> None:
    """Run a command and show its output; stop if it fails."""
    result = subprocess.run([str(part) for part in command])
    if result.returncode:
        raise SystemExit(f'Setup failed ({result.returncode}): {" ".join(map(str, command))}')


def build_wheel(python: Path, requirement: str, wheels: Path, log: Path) -> None:
    """Compile one package into ``wheels``; other set-ups may do the same at the same time."""
    with tempfile.TemporaryDirectory(dir=wheels) as partial:
        compile_wheel(python, requirement, Path(partial), log)
        for wheel in Path(partial).glob('*.whl'):
            os.replace(wheel, wheels / wheel.name)


def compile_wheel(python: Path, requirement: str, folder: Path, log: Path) -> None:
    """Compile one package into a folder and show the compiler's progress."""
    environment = {**os.environ, **BUILD_FLAGS, 'PATH': f'{python.parent}:{os.environ["PATH"]}'}
    environment.setdefault('MAX_JOBS', str(os.cpu_count() or 1))
    compiler = environment.get('CXX', 'c++')
    environment.update(CXX=str(COMPILER), TORCH_CXX=compiler, TORCH_CXX_FOLDER=str(folder))
    if sys.version_info >= (3, 13):
        environment['PYTHONPATH'] = str(OLD_SETUP_PY)
    name = requirement.split('=')[0]
    command = [python, '-m', 'pip', 'wheel', '-v', '--no-build-isolation', '--no-deps']
    command += ['--no-binary', name, '-w', folder, requirement]
    started = shown = time.monotonic()
    with open(log, 'wb') as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        for line in process.stdout:
            file.write(line)
            step = NINJA_STEP.search(line)
            if step and time.monotonic() - shown > 5:
                shown = time.monotonic()
                done, total = map(int, step.groups())
                say(f'  {name}: {done}/{total} files compiled, {shown - started:.0f} s')
    if process.wait():
        tail = log.read_bytes().decode(errors='replace').splitlines()[-20:]
        raise SystemExit('\n'.join([*tail, f'Building {requirement} failed; full log: {log}']))
    say(f'  {name}: built in {time.monotonic() - started:.0f} s')


def install_compiled(python: Path, venv: Path, lock: Path) -> None:
    """Build the lock's compiled packages that the cache lacks, and install all of them."""
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    source = source_of(lock)
    wheels = cache / 'mmpose-ext' / 'wheels' / wheels_key(lock.read_bytes(), source.read_bytes())
    wheels.mkdir(parents=True, exist_ok=True)
    for requirement in source.read_text().splitlines():
        if not requirement or requirement.startswith('#'):
            continue
        name, version = requirement.split('==')
        pattern = f'{name.replace("-", "_")}-{version}-*.whl'
        if not list(wheels.glob(pattern)):
            say(f'Building {requirement} (once, kept in {wheels})')
            build_wheel(python, requirement, wheels, venv / f'build-{name}.log')
        wheel = next(wheels.glob(pattern))
        run(python, '-m', 'pip', 'install', '--no-deps', '--force-reinstall', wheel)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv', help='where to create it')
    parser.add_argument('--lock', type=Path, default=LOCK, help='the list of pinned packages')
    args = parser.parse_args()
    venv, lock = args.venv.resolve(), args.lock.resolve()
    python = venv / 'bin' / 'python'
    packages = fingerprint(lock.read_bytes(), source_of(lock).read_bytes())
    environment_stamp = venv / f'environment-{packages}'
    package_stamp = venv / f'package-{fingerprint(*(file.read_bytes() for file in PACKAGE_FILES))}'
    if environment_stamp.exists() and package_stamp.exists():
        return
    check_machine(lock)
    started = time.monotonic()
    if not environment_stamp.exists():
        say(f'Creating {venv}')
        run(sys.executable, '-m', 'venv', '--clear', venv)
        say('Installing the locked packages (torch brings about 5 GB)')
        run(python, '-m', 'pip', 'install', '--no-deps', '-r', lock)
        install_compiled(python, venv, lock)
        environment_stamp.touch()
    say('Installing this package, editable')
    run(python, '-m', 'pip', 'install', '-q', '--no-deps', '--no-build-isolation', '-e', ROOT)
    package_stamp.touch()
    say(f'Ready in {time.monotonic() - started:.0f} s: {venv}')


if __name__ == '__main__':
    main()
