# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check the packages that must be installed, with an error message of one clear line."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

# module: the oldest version that works
REQUIRED = {'torch': '2.0.0', 'mmengine': '0.8.0', 'mmcv': '2.0.1', 'mmpose': '1.3.0'}
# module: the distributions that contain it
DISTRIBUTIONS = {
    'torch': ('torch',),
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'onedl-mmcv', 'mmcv-lite'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmpose': ('mmpose',),
    'numpy': ('numpy',),
}
# modules whose distribution has another name
PACKAGES = {
    'cv2': 'opencv-python',
    'PIL': 'pillow',
    'yaml': 'pyyaml',
    'dateutil': 'python-dateutil',
    'pkg_resources': "'setuptools<81'",
}


def parse_version(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version string: '2.13.0+cu130' -> (2, 13, 0)."""
    match = re.match(r'\d+(\.\d+)*', text)
    return tuple(int(part) for part in match.group().split('.')) if match else ()


def installed() -> dict[str, str]:
    """Return names and versions of the installed distributions among those that matter."""
    found = {}
    for name in (name for names in DISTRIBUTIONS.values() for name in names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_environment() -> str:
    """Describe the environment in one line: 'Python 3.10.13, torch 2.1.2, mmengine 0.10.7, ...'."""
    found = {'Python': platform.python_version(), **installed()}
    return ', '.join(f'{name} {version}' for name, version in found.items())


def mending_command(module: str) -> str:
    """Return the command that installs a module and keeps all others working.

    mmcv is compiled for one version of torch, and mmdet accepts a range of mmcv versions. A command
    that changes torch therefore recompiles mmcv, in a version that mmdet accepts.
    """
    found = installed()
    onedl = any(name.startswith('onedl-') for name in found)
    if module == 'mmpose':
        return 'pip install --no-deps mmpose==1.3.2'
    if module == 'mmengine':
        return "pip install 'onedl-mmengine>=0.10.12'" if onedl else 'pip install mmengine==0.10.7'
    if onedl:
        mmcv = 'onedl-mmcv==2.3.6'
    else:
        old = parse_version(found.get('mmdet', '3.3.0')) < (3, 2)
        mmcv = 'mmcv==2.0.1' if old else 'mmcv==2.1.0'
    compile_mmcv = (
        'MMCV_WITH_OPS=1 pip install --no-deps --no-build-isolation --no-cache-dir '
        f'--force-reinstall {mmcv}'
    )
    if 'mmcv-lite' in found:
        compile_mmcv = f'pip uninstall -y mmcv-lite && {compile_mmcv}'
    if module == 'torch':
        newest = '' if onedl else ',<2.7'  # the official packages are old
        return f"pip install 'torch>={REQUIRED['torch']}{newest}' torchvision && {compile_mmcv}"
    return compile_mmcv


def check_requirements() -> None:
    """Check that every required module is installed, new enough and importable.

    Raises:
        ImportError: One line that names the module, what was found and the command that fixes it.
    """
    for name, oldest in REQUIRED.items():
        if importlib.util.find_spec(name) is None:
            raise _problem(name, 'which is not installed', 'install')
        try:
            found = importlib.import_module(name).__version__
        except (ImportError, AttributeError, AssertionError) as error:
            missing = _missing_elsewhere(error)
            if missing:
                raise _missing(missing, name) from error
            raise _problem(name, f'whose import fails ({_line(error)})', 'reinstall') from error
        if parse_version(found) < parse_version(oldest):
            raise _problem(name, f'found {found}', 'upgrade')
    if importlib.util.find_spec('mmcv._ext') is None:
        problem = 'with its compiled operations (mmpose imports them), found mmcv without'
        raise _problem('mmcv', problem, 'reinstall')
    try:
        importlib.import_module('mmcv._ext')
    except ImportError as error:
        problem = f'compiled for this torch, its operations do not load ({_line(error)})'
        raise _problem('mmcv', problem, 'compile') from error


@contextmanager
def explained_imports() -> Iterator[None]:
    """Explain a failed import of mmpose's modules, which import many others, in one line.

    Raises:
        ImportError: If a package that mmpose imports is missing, or mmdet refuses the mmcv that is
            installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = _missing_elsewhere(error)
        if missing is None:
            raise
        raise _missing(missing, 'mmpose') from error
    except AssertionError as error:  # mmdet's and mmpose's check of mmcv's version
        if not str(error).startswith('MMCV'):
            raise
        problem = f'in a version that all packages accept ({_line(error)})'
        raise _problem('mmcv', problem, 'replace') from error


def _missing_elsewhere(error: Exception) -> str | None:
    """Return the missing package, if it is neither required here nor part of this one."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    top = name.split('.')[0] if name else None
    return None if top in ('mmpose_ext', *REQUIRED) else top


def _missing(module: str, importer: str) -> ImportError:
    return ImportError(
        f'mmpose_ext needs {module}, which {importer} imports and which is not installed; install '
        f'it with: pip install {PACKAGES.get(module, module)}  {_found_here()}'
    )


def _problem(name: str, what: str, verb: str) -> ImportError:
    return ImportError(
        f'mmpose_ext needs {name} >= {REQUIRED[name]}, {what}; {verb} it with: '
        f'{mending_command(name)}  {_found_here()}'
    )


def _found_here() -> str:
    return f'(found here: {describe_environment()}; combinations that work: docs/install.md)'


def _line(error: Exception) -> str:
    return ' '.join(str(error).split())
