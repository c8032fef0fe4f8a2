# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check the packages that must be installed, with an error message of one clear line."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

# module: the oldest version that works
REQUIRED = {'torch': '2.0.0', 'mmengine': '0.8.0', 'mmcv': '2.0.1', 'mmpose': '1.3.0'}
# numpy is torch's, and mmdet is needed for person detectors only: both are looked at if present
OLDEST_IF_PRESENT = {'numpy': '1.23.0', 'mmdet': '3.1.0'}
TOO_NEW_NUMPY = (2, 4)
WORKS = (
    'torch 2.0 to 2.6 with mmengine 0.10.7, mmcv 2.1.0, mmdet 3.3.0, numpy 1.26 on Python 3.8 to '
    '3.12; newer ones with onedl-mmengine 0.10.12, onedl-mmcv 2.3.6, onedl-mmdetection 3.5.1, '
    'numpy 2.3'
)
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


_PYTHONS_MODULES = {
    *('importlib', 'contextlib', 'ctypes', '__main__'),
    *getattr(sys, 'stdlib_module_names', ()),  # from Python 3.10 on
}
_FAULTS = (ImportError, AttributeError, AssertionError, ValueError, RuntimeError, OSError)


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
    that changes torch therefore recompiles mmcv, in a version that mmdet accepts. The mmcv 2.0 that
    mmdet 3.1 accepts compiles with torch 2.0 only, and no official mmcv with Python 3.13 and newer.
    """
    found = installed()
    onedl = any(name.startswith('onedl-') for name in found)
    if module == 'numpy':
        return "pip install 'numpy>=1.23,<2'"
    if module == 'mmpose':
        return 'pip install --no-deps mmpose==1.3.2'
    if module == 'mmdet':
        return f'pip install --no-deps {"onedl-mmdetection==3.5.1" if onedl else "mmdet==3.3.0"}'
    if module == 'mmengine':
        return "pip install 'onedl-mmengine>=0.10.12'" if onedl else 'pip install mmengine==0.10.7'
    first = []
    if not onedl and sys.version_info >= (3, 13):
        first, onedl = _change_to_onedl(found), True
    old_mmdet = not onedl and parse_version(found.get('mmdet', '3.3.0')) < (3, 2)
    old_torch = parse_version(found.get('torch', '2.0')) < (2, 1)
    if old_mmdet and not old_torch:
        first, old_mmdet = ['pip install --no-deps mmdet==3.3.0'], False
    if 'mmcv-lite' in found:
        first += ['pip uninstall -y mmcv-lite']
    if module == 'torch':
        newest = '' if onedl else ',<2.1' if old_mmdet else ',<2.7'  # official packages are old
        first += [f"pip install 'torch>={REQUIRED['torch']}{newest}' torchvision"]
    mmcv = 'onedl-mmcv==2.3.6' if onedl else 'mmcv==2.0.1' if old_mmdet else 'mmcv==2.1.0'
    last = (
        'MMCV_WITH_OPS=1 pip install --no-deps --no-build-isolation --no-cache-dir '
        f'--force-reinstall {mmcv}'
    )
    return ' && '.join([*first, last])


def _change_to_onedl(found: dict[str, str]) -> list[str]:
    """Return the commands that replace official packages other than mmcv by those of onedl."""
    official = [name for name in ('mmengine', 'mmcv', 'mmdet') if name in found]
    commands = [f'pip uninstall -y {" ".join(official)}'] if official else []
    commands += ["pip install 'onedl-mmengine>=0.10.12'"]
    if 'mmdet' in found:
        commands += ['pip install --no-deps onedl-mmdetection==3.5.1']
    return commands


def check_requirements() -> None:
    """Check that every required module is installed, new enough and importable.

    A numpy that is too new to draw with only gives a warning.

    Raises:
        ImportError: One line that names the module, what was found and the command that fixes it.
    """
    _check_optional()
    for name, oldest in REQUIRED.items():
        if importlib.util.find_spec(name) is None:
            raise _problem(name, 'which is not installed', 'install')
        try:
            found = importlib.import_module(name).__version__
        except _FAULTS as error:
            elsewhere = _fault_elsewhere(error, name)
            if elsewhere:
                raise elsewhere from error
            raise _problem(name, f'whose import fails ({_line(error)})', 'reinstall') from error
        if parse_version(found) < parse_version(oldest):
            raise _problem(name, f'found {found}', 'upgrade')
    if importlib.util.find_spec('mmcv._ext') is None:
        problem = 'with its compiled operations (mmpose imports them), found mmcv without'
        raise _problem('mmcv', problem, 'reinstall')
    try:
        importlib.import_module('mmcv._ext')
    except (ImportError, RuntimeError, OSError) as error:
        problem = f'compiled for this torch, its operations do not load ({_line(error)})'
        raise _problem('mmcv', problem, 'compile') from error


def _check_optional() -> None:
    found = installed()
    for version in (found[name] for name in DISTRIBUTIONS['mmdet'] if name in found):
        if parse_version(version) < parse_version(OLDEST_IF_PRESENT['mmdet']):
            raise _problem('mmdet', f'found {version}', 'upgrade')
    numpy = parse_version(found.get('numpy', ''))
    if not numpy:
        return
    if numpy < parse_version(OLDEST_IF_PRESENT['numpy']):
        raise _problem('numpy', f'found {found["numpy"]}', 'upgrade')
    if numpy >= TOO_NEW_NUMPY:
        warnings.warn(
            f'numpy {found["numpy"]}: mmpose 1.3 stops when it draws. Install numpy 2.3 with: '
            "pip install 'numpy<2.4'",
            stacklevel=3,
        )


@contextmanager
def explained_imports() -> Iterator[None]:
    """Explain a failed import of mmpose's modules, which import many others, in one line.

    Raises:
        ImportError: If a package that mmpose imports is missing or fails, or mmdet refuses the mmcv
            that is installed.
    """
    try:
        yield
    except AssertionError as error:  # mmdet's and mmpose's check of mmcv's version
        if not str(error).startswith('MMCV'):
            raise
        problem = f'in a version that all packages accept ({_line(error)})'
        raise _problem('mmcv', problem, 'replace') from error
    except _FAULTS as error:
        elsewhere = _fault_elsewhere(error, 'mmpose')
        if elsewhere is None:
            raise
        raise elsewhere from error


def _fault_elsewhere(error: BaseException, importer: str) -> ImportError | None:
    """Return what to say if the fault is in no package that is required here, and not in this."""
    missing = isinstance(error, ModuleNotFoundError)
    name = error.name if isinstance(error, ModuleNotFoundError) else _module_at_fault(error)
    top = name.split('.')[0] if name else None
    if top is None or top in ('mmpose_ext', *REQUIRED):
        return None
    return _missing(top, importer) if missing else _fails(top, importer, error)


def _module_at_fault(error: BaseException) -> str | None:
    """Return the module in which an import failed, by the innermost frame outside Python's own."""
    found, trace = None, error.__traceback__
    while trace:
        name = trace.tb_frame.f_globals.get('__name__', '')
        if name and name.split('.')[0] not in _PYTHONS_MODULES:
            found = name
        trace = trace.tb_next
    return found


def _fails(module: str, importer: str, error: BaseException) -> ImportError:
    package = PACKAGES.get(module, module)
    if module == 'cv2':  # opencv-python needs the libraries of a desktop
        command = 'pip uninstall -y opencv-python && pip install opencv-python-headless'
    elif 'size changed' in str(error):  # compiled for another numpy
        command = (
            'pip install --no-deps --no-build-isolation --no-cache-dir --force-reinstall '
            f'--no-binary {package} {package}'
        )
    else:
        command = f'pip install --no-deps --force-reinstall {package}'
    return ImportError(
        f'mmpose_ext needs {module}, which {importer} imports and whose import fails '
        f'({_line(error)}); replace it with: {command}  {_found_here()}'
    )


def _missing(module: str, importer: str) -> ImportError:
    return ImportError(
        f'mmpose_ext needs {module}, which {importer} imports and which is not installed; install '
        f'it with: pip install {PACKAGES.get(module, module)}  {_found_here()}'
    )


def _problem(name: str, what: str, verb: str) -> ImportError:
    oldest = {**REQUIRED, **OLDEST_IF_PRESENT}[name]
    return ImportError(
        f'mmpose_ext needs {name} >= {oldest}, {what}; {verb} it with: '
        f'{mending_command(name)}  {_found_here()}'
    )


def _found_here() -> str:
    return f'(found here: {describe_environment()}; what works: {WORKS})'


def _line(error: BaseException) -> str:
    return ' '.join(str(error).split())
