# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read losses from the device only when they are logged, not at each iteration."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmpose.registry import HOOKS


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, waiting for the device only once per logging interval.

    mmengine's hook reads each loss at each iteration, which leaves the device idle. Here the
    message hub gets the same values in the same order, before ``LoggerHook`` reads them.
    """

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Keep the outputs, and pass them all on when the logger is about to read them."""
        kept = self.__dict__.setdefault('_kept', [])
        if outputs:
            kept.append({k: v.detach() if torch.is_tensor(v) else v for k, v in outputs.items()})
        intervals = [hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)] or [1]
        ends = self.is_last_train_iter(runner)
        ends = ends or self.end_of_epoch(runner.train_dataloader, batch_idx)
        if ends or any(
            (number + 1) % interval == 0
            for interval in intervals
            for number in (batch_idx, runner.iter)
        ):
            self._pass_on(runner, kept)

    @staticmethod
    def _pass_on(runner: Any, kept: list[dict[str, Any]]) -> None:
        """Read all tensors at once and empty the list."""
        tensors = [v for outputs in kept for v in outputs.values() if torch.is_tensor(v)]
        values = iter(torch.stack([t.double().mean() for t in tensors]).tolist() if tensors else ())
        for outputs in kept:
            for key, value in outputs.items():
                value = next(values) if torch.is_tensor(value) else value
                runner.message_hub.update_scalar(f'train/{key}', value)
        kept.clear()


def defer_log(runner: Any) -> bool:
    """Defer the runner's ``RuntimeInfoHook`` if it is mmengine's own; return whether it was."""
    for hook in runner.hooks:
        if type(hook) is RuntimeInfoHook:
            hook.__class__ = DeferredRuntimeInfoHook
            return True
    return False
