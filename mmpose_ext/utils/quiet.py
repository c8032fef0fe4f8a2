# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Suppress the warnings of mmengine, mmpose and mmdet that users cannot act on."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import Iterator

from mmengine.logging import MMLogger

# onedl-mmdetection prints this because some of its data sets need a package that is not public
_NOTES = ('Could not import OneDL. Skipping OneDL datasets.',)


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Drop the known messages that mmdet prints when it is imported in a ``with`` block."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        lines = printed.getvalue().splitlines(keepends=True)
        if sys.stdout is not None:  # print() ignores a missing one too
            sys.stdout.write(''.join(line for line in lines if line.strip() not in _NOTES))


# mmengine's own checkpoint hook uses functions that mmengine deprecates
_LOG_NOTES = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias')


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep known, harmless messages of mmengine out of its log in a ``with`` block."""

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(_LOG_NOTES)

    logger = MMLogger.get_current_instance()
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def ignore_metainfo_note() -> None:
    """Ignore mmpose's warning that it uses the ``configs/_base_/datasets`` of its installation."""
    warnings.filterwarnings('ignore', 'The metainfo config file ".*configs/_base_/datasets/')
