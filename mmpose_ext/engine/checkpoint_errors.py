# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Explain why a checkpoint cannot be loaded: an unknown class, the file, or the libraries."""

from __future__ import annotations

import os
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import mmengine
import numpy as np
import torch

from .errors import (
    CheckpointError,
    UnloadableCheckpointError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
)

# torch's older format is five pickles (a magic number, a version, the machine, the content and the
# tensors' names) and then the tensors' bytes.
_OLD_FORMAT_PICKLES = 5
_FAULTS = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,  # a number of pickle's in a truncated file
)


@contextmanager
def explained(name: str | os.PathLike) -> Iterator[None]:
    """Turn torch's errors on a file that it cannot or must not read into one line."""
    try:
        yield
    except (CheckpointError, FileNotFoundError, PermissionError, MemoryError):
        raise
    except torch.cuda.OutOfMemoryError:
        raise
    except pickle.UnpicklingError as error:
        offence = _offending_class(str(error))
        if offence is None:
            raise _unreadable(name, error) from None
        raise UnsafeCheckpointError(
            f'checkpoint {name} was refused and not unpickled: it holds `{offence}`, which is '
            'not weights and could run code. Ask its maker for a file with weights only; if you '
            "trust it fully, convert it once with torch.save({'state_dict': torch.load(FILE, "
            "weights_only=False)['state_dict']}, NEW_FILE)"
        ) from None
    except _FAULTS as error:
        raise _unreadable(name, error) from error


def is_whole(path: str | os.PathLike) -> bool:
    """Return whether a file that ``torch.save`` wrote is complete, without unpickling anything.

    Args:
        path (str | os.PathLike): A local file.

    Returns:
        bool: For the zip format, whether every part matches its checksum. For the format before
        torch 1.6, whether its pickles are complete; the tensors' bytes after them are not checked.
        False for any other file.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                return file.testzip() is None and any(
                    name.endswith('/data.pkl') for name in file.namelist()
                )
        with open(path, 'rb') as file:
            for _ in range(_OLD_FORMAT_PICKLES):
                for _ in pickletools.genops(file):
                    pass
        return True
    except (OSError, zipfile.BadZipFile, *_FAULTS):
        return False


def _unreadable(name: str | os.PathLike, error: Exception) -> CheckpointError:
    text = str(error).split('WeightsUnpickler error: ')[-1].strip()
    first_line = text.splitlines()[0].strip() if text else type(error).__name__
    if is_whole(name) and not re.search('EOF|corrupt|truncated|buffer of', text):
        return UnloadableCheckpointError(
            f'checkpoint {name} is whole, but torch {torch.__version__}, numpy {np.__version__} '
            f'and mmengine {mmengine.__version__} cannot rebuild what it holds '
            f'({type(error).__name__}: {first_line}). Load it where it was written and save its '
            "'state_dict' alone"
        )
    return UnreadableCheckpointError(
        f'checkpoint {name} cannot be read ({first_line}). It is empty, cut short, damaged or '
        'not a file that torch.save wrote: copy or download it again, or use an earlier one'
    )


def _offending_class(message: str) -> str | None:
    """Return the class or function that torch's weights-only unpickler refused, by its message."""
    patterns = (
        r'GLOBAL (.+?) was not an allowed global',
        r'unsupported GLOBAL (\S+) whose module',
        r'Unsupported (?:class|global|GLOBAL) (\S+)',
        r'reduce for unrecognized function (<[^>]*>|\S+)',
        r'but got (<class [^>]*>)',
        r'(an instruction of pickle that no checkpoint needs)',
    )
    for pattern in patterns:
        found = re.search(pattern, message)
        if found:
            return found.group(1)
    return None
