# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Packages that only the export needs."""

import importlib
from types import ModuleType


def require(name: str) -> ModuleType:
    """Import an optional package.

    Args:
        name (str): ``'onnx'`` or ``'onnxruntime'``.

    Raises:
        ImportError: If it is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'the export needs {name}, which cannot be imported ({error}); install it with: '
            "pip install 'mmpose_ext[export]'"
        ) from error
