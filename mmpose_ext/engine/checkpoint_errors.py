# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Explain why a checkpoint cannot be loaded: an unknown class, the file, or the libraries."""

from __future__ import annotations

import os
import pickle
import pickletools
import re
import struct
import zipfile
import zlib
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
from .restricted_unpickler import NotAllowedError, UnsupportedFormatError

# torch's older format is five pickles (a magic number, a version, the machine, the content and the
# tensors' names) and then the tensors' bytes.
_OLD_FORMAT_PICKLES = 5
_FAULTS = (
    RuntimeError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,  # a number of pickle's in a truncated file
    zlib.error,
)
_CONVERT = (
    'content = torch.load(FILE, weights_only=False); '
    "state = content.state_dict() if hasattr(content, 'state_dict') else "
    "content.get('state_dict', content); torch.save({'state_dict': "
    '{name: value for name, value in state.items() if torch.is_tensor(value)}}, NEW_FILE)'
)


@contextmanager
def explained(name: str | os.PathLike) -> Iterator[None]:
    """Turn the errors on a file that cannot or must not be read into one line.

    Args:
        name (str | os.PathLike): The file or address, for the message.

    Raises:
        UnsafeCheckpointError: If something was not allowed.
        UnreadableCheckpointError: If the file is damaged.
        UnloadableCheckpointError: If the file is complete, but its contents cannot be rebuilt.
    """
    try:
        yield
    except (CheckpointError, FileNotFoundError, PermissionError):
        raise
    except torch.cuda.OutOfMemoryError:
        raise
    except MemoryError as error:
        if not _is_damaged(name):
            raise
        raise _unreadable(name, error) from None
    except UnsupportedFormatError as error:
        raise UnloadableCheckpointError(
            f'checkpoint {name} is {error}, a format that is not read here. If you trust its '
            f'source fully, convert it once with: {_CONVERT}'
        ) from None
    except NotAllowedError as error:
        if _is_damaged(name):  # cut inside a name, it names something else
            raise _unreadable(name, error) from None
        raise UnsafeCheckpointError(
            f'checkpoint {name} was refused and not unpickled: it holds {_line(error)}, which is '
            'not weights and could run code. Ask its maker for a file with weights only; if you '
            f'trust it fully, convert it once with: {_CONVERT}'
        ) from None
    except _FAULTS as error:
        raise _unreadable(name, error) from error


def is_complete(path: str | os.PathLike) -> bool:
    """Return whether a file that ``torch.save`` wrote is complete, without unpickling anything.

    Args:
        path (str | os.PathLike): A local file.

    Returns:
        bool: For the zip format, whether every part is there and matches its checksum, if the file
        has checksums (``torch.serialization.set_crc32_options``). For the format before torch 1.6,
        whether its pickles are complete; the tensors' bytes after them are not checked. False for
        any other file.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                parts = file.infolist()
                if not any(part.CRC for part in parts):
                    for part in parts:
                        setattr(part, 'CRC', None)  # noqa: B010  zipfile then compares nothing
                return file.testzip() is None and any(
                    part.filename.endswith('/data.pkl') for part in parts
                )
        with open(path, 'rb') as file:
            for _ in range(_OLD_FORMAT_PICKLES):
                for _ in pickletools.genops(file):
                    pass
        return True
    except (OSError, MemoryError, zipfile.BadZipFile, *_FAULTS):
        return False


def _is_damaged(name: str | os.PathLike) -> bool:
    return os.path.isfile(name) and not is_complete(name)


def _line(error: Exception) -> str:
    text = ' '.join(str(error).split())
    return text if len(text) <= 200 else f'{text[:200]}...'


def _unreadable(name: str | os.PathLike, error: Exception) -> CheckpointError:
    text = str(error).split('WeightsUnpickler error: ')[-1].strip()
    first_line = text.splitlines()[0].strip() if text else type(error).__name__
    if is_complete(name) and not re.search('EOF|corrupt|truncated|buffer of|record size', text):
        return UnloadableCheckpointError(
            f'checkpoint {name} is complete, but torch {torch.__version__}, numpy {np.__version__} '
            f'and mmengine {mmengine.__version__} cannot rebuild what it holds '
            f'({type(error).__name__}: {first_line}). Load it where it was written and save its '
            "'state_dict' alone"
        )
    return UnreadableCheckpointError(
        f'checkpoint {name} cannot be read ({first_line}). It is empty, cut short, damaged or '
        'not a file that torch.save wrote: copy or download it again, or use an earlier one'
    )
