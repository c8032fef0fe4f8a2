# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Functions that some versions of torch since 2.0 lack or name differently."""

from __future__ import annotations

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.torch_version import TorchVersion

_VERSION = TorchVersion(torch.__version__)


def is_compiling() -> bool:
    """Return whether ``torch.compile`` traces the caller (``torch.compiler.is_compiling``, 2.3)."""
    if hasattr(torch, 'compiler') and hasattr(torch.compiler, 'is_compiling'):
        return torch.compiler.is_compiling()
    dynamo = sys.modules.get('torch._dynamo')
    return dynamo is not None and dynamo.is_compiling()


def unscaled_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute ``scaled_dot_product_attention`` with ``scale=1.0`` (2.1; its ONNX form: 2.2).

    Args:
        query (Tensor): (..., N, C).
        key (Tensor): (..., M, C).
        value (Tensor): (..., M, D).

    Returns:
        Tensor: (..., N, D), ``softmax(query key^T) value``.
    """
    if _VERSION >= '2.2':
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)
    if torch.onnx.is_in_onnx_export():
        return (query @ key.transpose(-2, -1)).softmax(-1) @ value
    return F.scaled_dot_product_attention(query * query.shape[-1] ** 0.5, key, value)


def compile_in_place(module: nn.Module) -> None:
    """Compile a module's forward (``nn.Module.compile``, 2.2)."""
    if hasattr(module, 'compile'):
        module.compile()
    else:
        module.forward = torch.compile(module.forward)


def has_own_bfloat16() -> bool:
    """Return whether the GPU computes in bfloat16 natively; torch >= 2.5 also counts emulation."""
    if _VERSION >= '2.5':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cuda.is_bf16_supported()


#: Arguments of ``torch.onnx.export`` that select the tracing exporter, the only one before 2.5.
TRACING_EXPORTER = dict(dynamo=False) if _VERSION >= '2.5' else {}
