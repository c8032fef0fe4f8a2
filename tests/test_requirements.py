# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata

import pytest

from mmpose_ext import requirements
from mmpose_ext.requirements import check_requirements, mending_command, parse_version

OFFICIAL = dict(torch='1.13.1', mmengine='0.10.7', mmcv='2.1.0', mmdet='3.3.0', mmpose='1.3.2')
ONEDL = {'torch': '2.13.0', 'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6'}


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
        # not installed
        ('sys.modules["mmcv"] = None', 'needs mmcv >= 2.0.1'),
        # too old
        ('import mmengine; mmengine.__version__ = "0.7.1"', 'found 0.7.1; upgrade it with: pip'),
        # installed, but its own import fails
        (
            'import mmpose.version; mmpose.version.__version__ = None; '
            'sys.modules["mmpose"] = type(sys)("mmpose"); '
            'sys.modules["mmpose"].__spec__ = importlib.util.find_spec("json")',
            'mmpose >= 1.3.0, whose import fails',
        ),
        # packages that mmpose imports
        ('sys.modules["xtcocotools"] = None', 'needs xtcocotools, which mmpose imports'),
        ('sys.modules["cv2"] = None', 'pip install opencv-python '),
        ('sys.modules["yaml"] = None', 'pip install pyyaml '),
        # a required package that is there in part
        ('sys.modules["mmcv.version"] = None', 'mmcv >= 2.0.1, whose import fails'),
        # mmdet refuses a newer mmcv by an assertion, which mmpose does not expect
        (
            'class Finder:\n'
            '    @staticmethod\n'
            '    def find_spec(name, *args):\n'
            '        if name.startswith("mmdet"):\n'
            '            raise AssertionError("MMCV==2.2.0 is used but incompatible.")\n'
            'sys.meta_path.insert(0, Finder)',
            'a version that all packages accept (MMCV==2.2.0 is used but incompatible.); replace',
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
    assert (
        f'Python {platform.python_version()}' in last
        and f'torch {metadata.version("torch")}' in last
    )


OLD_MMDET = {**OFFICIAL, 'mmdet': '3.1.0'}


@pytest.mark.parametrize(
    'found, module, parts',
    [
        # mmcv is compiled for one torch; mmdet 3.3 accepts mmcv up to 2.1, and mmdet 3.1 up to 2.0
        (OFFICIAL, 'torch', ['torch>=2.0.0,<2.7', 'torchvision', '--no-deps', ' mmcv==2.1.0']),
        (OFFICIAL, 'mmcv', ['--no-build-isolation', '--force-reinstall', ' mmcv==2.1.0']),
        # mmcv 2.0.1 compiles as C++14, and the headers of torch 2.1 need C++17
        (OLD_MMDET, 'torch', ['torch>=2.0.0,<2.1', ' mmcv==2.0.1']),
        (OLD_MMDET, 'mmcv', [' mmcv==2.0.1']),
        ({**OLD_MMDET, 'torch': '2.1.2'}, 'mmcv', ['mmdet==3.3.0 && ', ' mmcv==2.1.0']),
        (OFFICIAL, 'mmengine', ['pip install mmengine==0.10.7']),
        (OFFICIAL, 'mmdet', ['pip install --no-deps mmdet==3.3.0']),
        ({**OFFICIAL, 'mmcv-lite': '2.1.0'}, 'mmcv', ['pip uninstall -y mmcv-lite && ']),
        (ONEDL, 'torch', ["torch>=2.0.0'", '--no-deps', ' onedl-mmcv==']),
        (ONEDL, 'mmengine', ['onedl-mmengine>=']),
        (ONEDL, 'mmdet', ['onedl-mmdetection==']),
        ({}, 'mmpose', ['--no-deps mmpose==']),
    ],
)
def test_mending_keeps_what_is_compiled(monkeypatch, found, module, parts):
    monkeypatch.setattr(requirements, 'installed', lambda: found)
    monkeypatch.setattr(sys, 'version_info', (3, 11, 0))
    command = mending_command(module)
    assert all(part in command for part in parts), command


def test_mending_on_python_without_an_official_mmcv(monkeypatch):
    """The setup.py of mmcv 2.1.0 ends in a KeyError on Python 3.13."""
    monkeypatch.setattr(requirements, 'installed', lambda: OFFICIAL)
    monkeypatch.setattr(sys, 'version_info', (3, 13, 0))
    assert mending_command('mmcv').split(' && ') == [
        'pip uninstall -y mmengine mmcv mmdet',
        "pip install 'onedl-mmengine>=0.10.12'",
        'pip install --no-deps onedl-mmdetection==3.5.1',
        'MMCV_WITH_OPS=1 pip install --no-deps --no-build-isolation --no-cache-dir '
        '--force-reinstall onedl-mmcv==2.3.6',
    ]


@pytest.mark.parametrize(
    'package, code, parts',
    [
        (
            'cv2',
            'raise ImportError("libGL.so.1: cannot open shared object file")',
            ['needs cv2', 'libGL.so.1', 'pip install opencv-python-headless'],
        ),
        (
            'xtcocotools',
            'raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")',
            ['needs xtcocotools, which mmpose imports', '--no-binary xtcocotools xtcocotools'],
        ),
        ('munkres', 'raise RuntimeError("no")', ['--force-reinstall munkres']),
        ('munkres', 'import ctypes; ctypes.CDLL("none.so")', ['none.so: cannot open']),
    ],
)
def test_one_line_names_the_package_that_fails(package, code, parts, tmp_path):
    (tmp_path / package).mkdir()
    (tmp_path / package / '__init__.py').write_text(code)
    script = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import mmpose_ext'
    result = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith('ImportError: mmpose_ext needs'), result.stderr
    assert all(part in last for part in parts), last


@pytest.mark.parametrize(
    'versions, message',
    [
        (
            dict(numpy='1.22.4'),
            "numpy >= 1.23.0, found 1.22.4; upgrade it with: pip install 'numpy",
        ),
        (dict(mmdet='3.0.0'), r'mmdet >= 3\.1\.0, found 3\.0\.0; .*mmdet==3\.3\.0'),
        (dict(mmdet='2.28.2'), r'mmdet >= 3\.1\.0, found 2\.28\.2'),
    ],
)
def test_versions_that_do_not_work(monkeypatch, versions, message):
    monkeypatch.setattr(requirements, 'installed', lambda: {**OFFICIAL, **versions})
    with pytest.raises(ImportError, match=message):
        check_requirements()


def test_numpy_that_mmpose_cannot_draw_with(monkeypatch):
    monkeypatch.setattr(requirements, 'installed', lambda: {'numpy': '2.4.1'})
    with pytest.warns(UserWarning, match="numpy 2.4.1: .*draws.*pip install 'numpy<2.4'"):
        check_requirements()


def test_operations_compiled_for_another_torch(monkeypatch):
    real = requirements.importlib.import_module

    def load(name):
        if name == 'mmcv._ext':
            raise ImportError('_ext.so: undefined symbol: _ZN2at4_ops5zeros4call')
        return real(name)

    monkeypatch.setattr(requirements.importlib, 'import_module', load)
    with pytest.raises(ImportError, match='operations do not load.*undefined symbol.*compile it'):
        check_requirements()
