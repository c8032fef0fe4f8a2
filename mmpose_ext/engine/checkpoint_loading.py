# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Load checkpoints without running code: weights, and the few classes that mmengine needs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, print_log
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner.checkpoint import CheckpointLoader

from .checkpoint_errors import explained
from .config_text import is_plain_config
from .errors import UnreadableCheckpointError
from .pickled_arrays import array_globals, named, rebuilt
from .restricted_loading import allowed_globals
from .restricted_unpickler import not_allowed

# The methods that mmengine's checkpoints refer to by name, and their classes.
_METHODS = {
    HistoryBuffer: ('min', 'max', 'mean', 'current'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}
_LONGEST_RANGE = 1_000_000
_last_loaded: tuple[int, str] | None = None
_installed = False


def _mmengine_method(owner: type, name: str) -> Callable:
    """Replace ``getattr`` in pickles; allow only the few methods that mmengine writes by name."""
    if name not in _METHODS.get(owner, ()):
        raise not_allowed(f'getattr({owner}, {name!r})')
    return getattr(owner, name)


def _empty_bytes(*args: object) -> bytes:
    """Replace ``bytes`` in pickles; allow only the empty bytes of an array without elements."""
    if args:
        raise not_allowed(f'bytes{args}')
    return b''


def _short_range(*args: int) -> range:
    """Replace ``range``; a long one would fill the memory in a set, for a few bytes of the file."""
    numbers = range(*args)
    if numbers[_LONGEST_RANGE:]:
        raise not_allowed(f'range{args}')
    return numbers


@functools.lru_cache(maxsize=None)
def allowed_classes() -> tuple[Callable, ...]:
    """Return what a checkpoint may hold in addition to tensors and plain Python values.

    These are what mmengine's own training checkpoints hold: the message hub's history buffers,
    parts of configs (in the data set's metainfo), the one-cycle scheduler's curve, numpy arrays
    and scalars of numbers, booleans and text (never of objects), and Python's immutable sets,
    ranges and slices.
    """
    limited = (
        named(_mmengine_method, 'builtins', 'getattr'),
        named(_empty_bytes, 'builtins', 'bytes'),
        named(_short_range, 'builtins', 'range'),
    )
    plain = (frozenset, slice, ConfigDict)
    return (*array_globals(), *_METHODS, *limited, *plain)


def load_checkpoint_safely(file: str | os.PathLike, map_location: object = None) -> dict:
    """Load a checkpoint file, weights only.

    Args:
        file (str | os.PathLike): A local file.
        map_location (object, optional): As in :func:`torch.load`.

    Returns:
        dict: The contents of the file, without config texts that are more than data, because
        mmengine would run them (:func:`mmpose_ext.engine.config_text.is_plain_config`).

    Raises:
        FileNotFoundError: If the file does not exist.
        UnsafeCheckpointError: If it holds a class that is not allowed. Nothing was unpickled.
        UnreadableCheckpointError: If it is empty, truncated or not a checkpoint.
        UnloadableCheckpointError: If it is complete, but the installed libraries cannot rebuild it.
    """
    path = os.path.expanduser(os.fspath(file))
    if not os.path.isfile(path):
        kind = 'a folder, not a file' if os.path.isdir(path) else 'no such file'
        raise FileNotFoundError(
            f'checkpoint {path} cannot be loaded: {kind}. Check the path, which a config may give '
            'as load_from or init_cfg'
        )
    with explained(path), allowed_globals(allowed_classes()):
        content = torch.load(path, map_location=map_location, weights_only=True)
        checkpoint = rebuilt(content, tuple(_METHODS))
    return _checked(checkpoint, path)


def install_safe_loading() -> None:
    """Make every loader of mmengine's ``CheckpointLoader`` load only weights. Idempotent.

    This changes mmengine for the whole process until it ends. In a config, list
    ``'mmpose_ext.safe_loading'`` under ``custom_imports``, which calls this function. For a part of
    a program, see :func:`safely_loading`.

    Local files go through :func:`load_checkpoint_safely`; the loaders of all other schemes
    (http, s3, torchvision, open-mmlab, ...) run while ``torch.load`` is restricted in their thread.
    """
    global _installed
    _installed = True
    _replace_loaders()


@contextmanager
def safely_loading() -> Iterator[None]:
    """Load only weights in a ``with`` block, as :func:`install_safe_loading` does for good."""
    before = dict(CheckpointLoader._schemes)
    _replace_loaders()
    try:
        yield
    finally:
        if not _installed:
            for prefix, loader in before.items():
                CheckpointLoader.register_scheme(prefixes=prefix, loader=loader, force=True)


def _replace_loaders() -> None:
    # register_scheme is public, but the list of registered schemes is not.
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if not getattr(loader, 'loads_weights_only', False):
            safe = load_from_local if prefix == '' else _weights_only(loader)
            CheckpointLoader.register_scheme(prefixes=prefix, loader=safe, force=True)


def load_from_local(filename: str, map_location: object = None) -> dict:
    """Replace mmengine's loader of local files by :func:`load_checkpoint_safely`."""
    return load_checkpoint_safely(filename, map_location)


setattr(load_from_local, 'loads_weights_only', True)  # noqa: B010  mypy knows no attributes of functions


def name_of_loaded(checkpoint: dict) -> str | None:
    """Return the file name of ``checkpoint`` if it is the one loaded last."""
    if _last_loaded is not None and _last_loaded[0] == id(checkpoint):
        return _last_loaded[1]
    return None


def _weights_only(loader: Callable) -> Callable:
    """Wrap ``loader`` so that every call of ``torch.load`` in it loads only weights."""

    @functools.wraps(loader)
    def load(filename: str, *args: Any, **kwargs: Any) -> dict:
        with explained(filename), allowed_globals(allowed_classes()):
            checkpoint = rebuilt(loader(filename, *args, **kwargs), tuple(_METHODS))
        return _checked(checkpoint, filename)

    setattr(load, 'loads_weights_only', True)  # noqa: B010  mypy knows no attributes of functions
    return load


def _checked(checkpoint: object, name: str) -> dict:
    """Refuse anything but a dict, remove config texts with code, and remember the name."""
    global _last_loaded
    if not isinstance(checkpoint, dict):
        raise UnreadableCheckpointError(
            f'{name} is not a checkpoint: it holds a {type(checkpoint).__name__}, not a dict with '
            "a 'state_dict'. Give a file that training wrote"
        )
    runtime_info = _subdict(_subdict(checkpoint, 'message_hub'), 'runtime_info')
    meta = _subdict(checkpoint, 'meta')
    for holder, key in ((meta, 'cfg'), (meta, 'config'), (runtime_info, 'cfg')):
        if key in holder and not is_plain_config(holder[key]):
            del holder[key]
            print_log(
                f'The config text {key!r} inside {name} holds more than data and was left out: '
                'mmengine would run it. Give the config as a file',
                logger='current',
                level=30,
            )
    _last_loaded = (id(checkpoint), str(name))
    return checkpoint


def _subdict(holder: dict, key: str) -> dict:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}
