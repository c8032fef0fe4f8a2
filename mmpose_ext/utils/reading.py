# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read a data file and check that it exists and is JSON."""

import json
from typing import Any

from mmengine.fileio import exists, get_text

from .errors import DataError


def require_file(path: str, setting: str) -> None:
    """Raise :class:`DataError` if ``path`` (local or remote) does not exist."""
    if not path:
        raise DataError(f'{setting} is not set: name a COCO-format file')
    if not exists(path):
        remedy = 'check the path'
        if setting in ('ann_file', 'bbox_file'):
            remedy = f'check {setting} and data_root in the config'
        raise DataError(f'{setting} {path} does not exist: {remedy}')


def read_json(path: str, setting: str) -> Any:
    """Return the content of a UTF-8 JSON file; raise :class:`DataError` if it is not one."""
    require_file(path, setting)
    try:
        text = get_text(path)
        if not text.strip():
            raise DataError(f'{setting} {path} is empty: write or download it again')
        if text.startswith('\ufeff'):  # COCO's API cannot read such a file
            raise DataError(
                f'{setting} {path} starts with a byte-order mark: save it as UTF-8 without one'
            )
        return json.loads(text)
    except UnicodeDecodeError:
        raise DataError(
            f'{setting} {path} is not UTF-8 text: save it as UTF-8, or unpack it if compressed'
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f'{setting} {path} is not valid JSON ({error}): it is cut short or another kind of '
            'file; write or download it again'
        ) from None
    except OSError as error:
        raise DataError(
            f'{setting} {path} cannot be read: {error.strerror or error}; name a file that you may '
            'read'
        ) from None
