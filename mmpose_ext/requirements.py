# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What must be installed before this package can be imported, checked with one clear line."""

from __future__ import annotations

import importlib
import importlib.util
import re

# module: (oldest version that works, command that installs it)
REQUIRED = {
    'torch': ('2.5.0', "pip install 'torch>=2.5' torchvision"),
    'mmengine': ('0.10.0', "pip install 'onedl-mmengine>=0.10.12'  (or: mim install mmengine)"),
    'mmcv': ('2.0.0', "MMCV_WITH_OPS=1 pip install --no-build-isolation 'onedl-mmcv>=2.3.6'"),
    'mmpose': ('1.3.0', 'pip install --no-deps mmpose==1.3.2'),
}


def parse_version(text: str) -> tuple[int, ...]:
    """Leading numbers of a version string, '2.13.0+cu130' -> (2, 13, 0)."""
    match = re.match(r'\d+(\.\d+)*', text)
    return tuple(int(part) for part in match.group().split('.')) if match else ()


def check_requirements() -> None:
    """Check that every required module is there, new enough and importable.

    Raises:
        ImportError: one line that names the module, what was found and the command that mends it.
    """
    for name, (oldest, command) in REQUIRED.items():
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                f'mmpose_ext needs {name} >= {oldest}, which is not installed; install it with: '
                f'{command}'
            )
        try:
            found = importlib.import_module(name).__version__
        except (ImportError, AttributeError, AssertionError) as error:
            raise ImportError(
                f'mmpose_ext needs {name} >= {oldest}, whose import fails '
                f'({" ".join(str(error).split())}); reinstall it with: {command}'
            ) from error
        if parse_version(found) < parse_version(oldest):
            raise ImportError(
                f'mmpose_ext needs {name} >= {oldest}, found {found}; upgrade it with: {command}'
            )
    if importlib.util.find_spec('mmcv._ext') is None:
        raise ImportError(
            'mmpose_ext needs mmcv with its compiled operations (mmpose imports them), found mmcv '
            f'without; reinstall it with: {REQUIRED["mmcv"][1]}'
        )
