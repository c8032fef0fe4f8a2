# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read configs; errors name the file or the setting."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmpose.registry import KEYPOINT_CODECS

from mmpose_ext.utils.errors import ArgumentError


def read_config(config: str | os.PathLike, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and merge options in; never download a config by its name.

    Args:
        config (str | os.PathLike): The file.
        options (Mapping, optional): Settings by their dotted keys, as ``--cfg-options``.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a config.
        ArgumentError: If it does not take the options.
    """
    if not os.path.isfile(config):
        fault = 'is a folder' if os.path.isdir(config) else 'does not exist'
        raise FileNotFoundError(f'config {config} {fault}: give the path of a .py file')
    try:
        cfg = Config.fromfile(config)
    except Exception as error:  # whatever executing the file raises
        raise ValueError(f'config {config} cannot be read: {reason_of(error)}') from error
    return with_options(cfg, options)


def with_options(cfg: Config, options: Mapping[str, Any] | None) -> Config:
    """Merge options into a config, and return it.

    Args:
        cfg (Config): The config, which is changed.
        options (Mapping, optional): Settings by their dotted keys, as ``--cfg-options``.

    Raises:
        ArgumentError: If it does not take them.
    """
    try:
        cfg.merge_from_dict(dict(options or {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason, config = reason_of(error), cfg.filename
        raise ArgumentError(
            'config {config} does not take {}: {reason}', 'options', config=config, reason=reason
        ) from error
    return cfg


@contextmanager
def building(what: str) -> Iterator[None]:
    """Name what cannot be built from its settings, in a ``with`` block.

    Args:
        what (str): What is built.

    Raises:
        ValueError: If its type or one of its settings does not exist.
    """
    try:
        yield
    except (KeyError, TypeError) as error:
        raise ValueError(f'{what} cannot be built: {reason_of(error)}') from error


def build_codec(cfg: Mapping) -> Any:
    """Build a codec of mmpose or of this package.

    Raises:
        ValueError: If its type or one of its settings does not exist, or a value does not fit.
    """
    with building(f'codec {cfg.get("type")}'):
        return KEYPOINT_CODECS.build(dict(cfg))


def reason_of(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return f'{type(error).__name__}: {text.splitlines()[0]}' if text else type(error).__name__
