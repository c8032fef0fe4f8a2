# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Keep a numerically delicate step in float32 under mixed precision."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Convert half-precision floats to float32; keep float32 and float64.

    Args:
        x (Tensor): Any shape and any floating dtype.

    Returns:
        Tensor: The same values in float32 or float64.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def no_autocast(x: Tensor) -> AbstractContextManager:
    """Return a context in which operations on ``x``'s device keep their inputs' dtype."""
    if x.is_meta:  # meta tensors have no autocast
        return nullcontext()
    return torch.autocast(device_type=x.device.type, enabled=False)
