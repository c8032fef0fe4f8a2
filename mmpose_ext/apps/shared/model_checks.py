# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check an inferencer's config and checkpoint: the files exist and belong together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmpose_ext.apps.shared.configs import read_config, with_options
from mmpose_ext.engine.checkpoint_loading import name_of_loaded
from mmpose_ext.engine.checkpoint_match_hook import match_checkpoint
from mmpose_ext.engine.errors import CheckpointMismatchError


def load_config(config: str | os.PathLike | Config, options: dict | None = None) -> Config:
    """Read a config file and merge options in; never download a model by its name.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a config, or has no model or no ``test_dataloader``.
        ArgumentError: If it does not take the options.
    """
    if isinstance(config, Config):
        config = with_options(config.copy(), options)
    else:
        config = read_config(config, options)
    for key in ('model', 'test_dataloader'):
        if key not in config:
            raise ValueError(f'config {config.filename} has no {key!r}: it is not a model to test')
    return config


def require_checkpoint_of(model: nn.Module, checkpoint: dict | None, cfg: Config) -> None:
    """Refuse a checkpoint that does not match this model in every key and shape.

    Keys that the config's ``CheckpointMatchHook.allowed_keys`` names may differ.

    Raises:
        CheckpointMismatchError: If it is missing or belongs to another model.
    """
    if checkpoint is None:
        raise CheckpointMismatchError('no checkpoint given: predictions need trained weights')
    match = match_checkpoint(model, checkpoint, _allowed_keys(cfg))
    if not match.is_full():
        name = name_of_loaded(checkpoint) or 'the checkpoint'
        raise CheckpointMismatchError(
            f'checkpoint {name} does not belong to config {cfg.filename or ""}: {match}. '
            'Use the config that it was trained with'
        )


def _allowed_keys(cfg: Config) -> list[str]:
    hooks = [*cfg.get('default_hooks', {}).values(), *cfg.get('custom_hooks', [])]
    return [
        key
        for hook in hooks
        if hook and str(hook.get('type')).split('.')[-1] == 'CheckpointMatchHook'
        for key in hook.get('allowed_keys', ())
    ]


@contextmanager
def default_scope(scope: str) -> Iterator[None]:
    """Look types up in ``scope`` ('mmpose' or 'mmdet') first, in a ``with`` block."""
    with DefaultScope.overwrite_default_scope(scope):
        yield
