# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Refuse a checkpoint of another model, instead of loading part of it with a warning."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmpose.registry import HOOKS
from torch import nn
from torch.nn.modules.module import _IncompatibleKeys

from .checkpoint_loading import name_of_loaded
from .errors import CheckpointMismatchError

_SHOWN = 3
_BATCH_COUNT = 'num_batches_tracked'


@dataclass
class CheckpointMatch:
    """How well a state dict fits a model, by the key names of the model or of the checkpoint.

    Attributes:
        matched (int): Number of parameters and buffers that both have in the same shape, not
            counting batch norm's ``num_batches_tracked``.
        missing (list[str]): Keys in the model, but not in the checkpoint.
        unexpected (list[str]): Keys in the checkpoint, but not in the model.
        reshaped (list[str]): Keys in both with different shapes: ``'key (shape, shape)'``.
    """

    matched: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)

    def is_full(self) -> bool:
        """Whether every key is in both with the same shape."""
        return not (self.missing or self.unexpected or self.reshaped)

    def __str__(self) -> str:
        parts = [f'{self.matched} keys match']
        for kind, keys in (
            ('missing in it', self.missing),
            ('unknown to the model', self.unexpected),
            ('of another shape', self.reshaped),
        ):
            if keys:
                more = ', ...' if len(keys) > _SHOWN else ''
                parts.append(f'{len(keys)} {kind} ({", ".join(keys[:_SHOWN])}{more})')
        return ', '.join(parts)


def match_checkpoint(
    model: nn.Module, checkpoint: dict, allowed_keys: Sequence[str] = ()
) -> CheckpointMatch:
    """Compare a checkpoint with a model, and copy the weights that fit.

    As when mmengine loads a checkpoint, the modules' own hooks for older checkpoints run, the
    prefix ``module.`` of a parallel wrapper is removed on both sides, and batch norm's
    ``num_batches_tracked`` may be missing.

    Args:
        model (nn.Module): The model, wrapped for distribution or not.
        checkpoint (dict): A checkpoint with the entry ``'state_dict'``, or a state dict itself.
        allowed_keys (Sequence[str]): Regular expressions; keys that match one (``re.search``) may
            be missing, unexpected or of another shape. Defaults to none.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    source = checkpoint.get('state_dict', checkpoint)
    metadata = getattr(source, '_metadata', {})
    state_dict = OrderedDict(
        (re.sub(r'^module\.', '', key), value) for key, value in source.items()
    )
    missing, unexpected, errors = _load(model, state_dict, metadata)

    def kept(keys: list[str]) -> list[str]:
        return [key for key in keys if not any(re.search(p, key) for p in allowed_keys)]

    reshaped = [_shape_text(error) for error in errors]
    missing = [key for key in missing if not key.endswith(_BATCH_COUNT)]
    wanted = [key for key in model.state_dict() if not key.endswith(_BATCH_COUNT)]
    return CheckpointMatch(
        matched=len(wanted) - len(missing) - len(reshaped),
        missing=kept(missing),
        unexpected=kept(unexpected),
        reshaped=kept(reshaped),
    )


def _load(model: nn.Module, state_dict: dict, metadata: dict) -> tuple[list, list, list]:
    """Walk over the modules as ``mmengine.runner.load_state_dict`` does, and return its lists."""
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []

    def walk(module: nn.Module, state: dict, prefix: str) -> None:
        local_metadata = metadata.get(prefix[:-1], {})
        module._load_from_state_dict(
            state, prefix, local_metadata, True, missing, unexpected, errors
        )
        for name, child in module._modules.items():
            if child is not None:
                child_prefix = f'{prefix}{name}.'
                child_state = OrderedDict(
                    (key, value) for key, value in state.items() if key.startswith(child_prefix)
                )
                walk(child, child_state, child_prefix)
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, _IncompatibleKeys(missing, unexpected))

    walk(model, state_dict, '')
    return missing, unexpected, errors


def _shape_text(error: str) -> str:
    found = re.search(
        r'size mismatch for (\S+): .*?torch\.Size\((\[.*?\])\).*?torch\.Size\((\[.*?\])\)', error
    )
    if found is None:
        return error.splitlines()[0]
    key, theirs, ours = found.groups()
    return f'{key}: {theirs} in the file, {ours} in the model'


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Refuse a checkpoint of another model, with one line that says how they differ.

    mmengine only warns and continues with the keys that fit. With this hook,

    - testing, validation and ``--resume`` need every key in both, with the same shape;
    - fine-tuning (``load_from`` in training without ``resume``) needs at least one key that fits.

    It runs before the other hooks read the checkpoint.

    Args:
        allowed_keys (Sequence[str]): Regular expressions of keys that may differ, for example
            ``['^teacher\\\\.']`` for a model trained with a part that is not used in testing.
            Defaults to none.

    Raises:
        CheckpointMismatchError: As above.
    """

    priority = 'VERY_HIGH'

    def __init__(self, allowed_keys: Sequence[str] = ()) -> None:
        self.allowed_keys = tuple(allowed_keys)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the checkpoint with the runner's model."""
        match = match_checkpoint(runner.model, checkpoint, self.allowed_keys)
        name = name_of_loaded(checkpoint) or 'the checkpoint'
        fine_tuning = isinstance(runner._train_loop, BaseLoop) and not runner._resume
        if fine_tuning:
            if match.matched == 0:
                raise CheckpointMismatchError(
                    f'checkpoint {name} (load_from) fits nowhere: {match}. To start from backbone '
                    "weights use model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...)"
                )
        elif not match.is_full():
            raise CheckpointMismatchError(
                f'checkpoint {name} belongs to another model: {match}. Use the config that it was '
                'trained with; keys that may differ go into CheckpointMatchHook.allowed_keys'
            )
