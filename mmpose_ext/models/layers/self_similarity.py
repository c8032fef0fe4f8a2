# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""``softmax(x x^T) v`` in blocks: memory linear in the positions, and half of the products.

The logits x x^T of the Gaussian non-local block are symmetric. Each block above the diagonal is
computed once and used for its rows and, transposed, for its columns. If v has C / 2 channels,
forward and backward pass together take 3.5 products of N x N x C multiply-adds, compared with 4.5
if the whole matrix is kept and 7 with ``scaled_dot_product_attention``, which must also pad v to C
channels.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .precision import no_autocast

LARGEST_BLOCK = 512  # rows and columns; larger ones are no faster on a CPU and take more memory


def self_similarity_attention(x: Tensor, value: Tensor, block: int | None = None) -> Tensor:
    """Compute ``softmax(x x^T) value``: Eq. 1 with f(a, b) = exp(a . b), for one set of positions.

    It is differentiable once. Running maxima keep the softmax stable for features of any magnitude.

    Args:
        x (Tensor): (B, N, C), float32 or float64.
        value (Tensor): (B, N, D), of the same dtype.
        block (int, optional): Rows and columns of a block. Defaults to :func:`block_for`.

    Returns:
        Tensor: (B, N, D).
    """
    return _SelfSimilarityAttention.apply(x, value, block or block_for(x))


def block_for(x: Tensor) -> int:
    """Return the rows and columns of a block for ``x`` (B, N, C).

    On a CPU, a block of all B images takes about 2 MB, which fits a core's cache, but has at least
    128 rows.
    """
    if x.device.type != 'cpu':
        return LARGEST_BLOCK
    return min(LARGEST_BLOCK, max(128, math.isqrt(2**19 // max(len(x), 1))))


def _blocks(length: int, block: int) -> list[tuple[slice, slice]]:
    """Return the blocks on and above the diagonal, as (rows, columns)."""
    parts = [slice(start, min(start + block, length)) for start in range(0, length, block)]
    return [(rows, columns) for i, rows in enumerate(parts) for columns in parts[i:]]


class _SelfSimilarityAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, block: int) -> Tensor:
        out = torch.zeros_like(value)
        total = x.new_zeros(x.shape[:2])
        largest = x.new_full(x.shape[:2], -torch.inf)

        def add(part: slice, logits: Tensor, values: Tensor, dim: int) -> None:
            """Add a block to its rows (dim 2) or, transposed, to its columns (dim 1)."""
            before = largest[:, part]
            highest = torch.maximum(before, logits.amax(dim))
            weights = (logits - highest.unsqueeze(dim)).exp_()
            shrink = (before - highest).exp_()
            total[:, part] = total[:, part] * shrink + weights.sum(dim)
            largest[:, part] = highest
            weights = weights if dim == 2 else weights.transpose(1, 2)
            out[:, part].mul_(shrink.unsqueeze(2)).add_(weights @ values)

        for rows, columns in _blocks(x.shape[1], block):
            logits = x[:, rows] @ x[:, columns].transpose(1, 2)
            add(rows, logits, value[:, columns], 2)
            if rows != columns:
                add(columns, logits, value[:, rows], 1)
        out.div_(total.unsqueeze(2))
        ctx.save_for_backward(x, value, out, largest.add_(total.log_()))
        ctx.block = block
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, value, out, log_total = ctx.saved_tensors
        with no_autocast(x):  # a caller may run it inside of autocast
            return _gradients(x, value, out, log_total, grad, ctx.block)


def _gradients(
    x: Tensor, value: Tensor, out: Tensor, log_total: Tensor, grad: Tensor, block: int
) -> tuple[Tensor, Tensor, None]:
    """Return the gradients of x and value, block by block.

    Args:
        x, value (Tensor): The inputs.
        out (Tensor): (B, N, D), the result.
        log_total (Tensor): (B, N), the logarithm of each row's sum of exponentials.
        grad (Tensor): (B, N, D), the result's gradient.
        block (int): Rows and columns of a block.
    """
    grad = grad.contiguous()
    grad_x, grad_value = torch.zeros_like(x), torch.zeros_like(value)
    mean = (grad * out).sum(2)  # the mean of each row's gradient, weighted by its softmax
    for rows, columns in _blocks(x.shape[1], block):
        logits = x[:, rows] @ x[:, columns].transpose(1, 2)
        weights = (logits - log_total[:, rows, None]).exp_()
        mirrored = logits.sub_(log_total[:, None, columns]).exp_()
        grad_value[:, columns].add_(weights.transpose(1, 2) @ grad[:, rows])
        if rows != columns:
            grad_value[:, rows].add_(mirrored @ grad[:, columns])
        of_rows = grad[:, rows] @ value[:, columns].transpose(1, 2)
        of_columns = value[:, rows] @ grad[:, columns].transpose(1, 2)
        weights.mul_(of_rows.sub_(mean[:, rows, None]))
        weights.addcmul_(mirrored, of_columns.sub_(mean[:, None, columns]))
        grad_x[:, rows].add_(weights @ x[:, columns])
        if rows != columns:
            grad_x[:, columns].add_(weights.transpose(1, 2) @ x[:, rows])
    return grad_x, grad_value, None
