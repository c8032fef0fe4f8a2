# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""torch's operation counter, which needs torch 2.1, and a replacement for torch 2.0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


__all__ = ['FlopCounterMode', 'ProductCounter']


class ProductCounter(TorchDispatchMode):
    """Count the cost of convolutions and matrix products, as torch's ``FlopCounterMode`` does.

    Args:
        display (bool): Ignored; nothing is printed. Defaults to False.
    """

    def __init__(self, display: bool = False) -> None:
        super().__init__()
        self._total = 0

    def get_total_flops(self) -> int:
        """Return the floating-point operations so far, two per multiply-add."""
        return self._total

    def __torch_dispatch__(
        self, func: Any, types: Sequence, args: tuple = (), kwargs: Mapping | None = None
    ) -> object:
        output = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        if operation is aten.convolution:
            self._total += _convolution(args[0], args[1], output, transposed=args[6])
        elif operation in (aten.mm, aten.bmm):
            self._total += 2 * args[0].numel() * args[1].shape[-1]
        elif operation in (aten.addmm, aten.baddbmm):
            self._total += 2 * args[1].numel() * args[2].shape[-1]
        return output


def _convolution(images: Tensor, weight: Tensor, output: Tensor, transposed: bool) -> int:
    cells = (images if transposed else output).shape[2:]
    return 2 * images.shape[0] * math.prod(cells) * weight.numel()


try:
    from torch.utils.flop_counter import FlopCounterMode
except ImportError:  # torch 2.0
    FlopCounterMode = ProductCounter
