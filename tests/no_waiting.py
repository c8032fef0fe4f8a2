# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Refuses what would make a training step wait for the device, on a CPU as well."""

from contextlib import contextmanager
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
READS = (
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.is_nonzero.default,
)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


class _NoReads(TorchDispatchMode):
    """Refuses operations whose result or shape depends on values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in READS, f'{func} waits for the device'
        if func in INDEXING:
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, f'{func} with a mask waits for the device'
        return func(*args, **(kwargs or {}))


@contextmanager
def no_waiting():
    """Refuse reads and copies of tensors to the CPU."""

    def refuse(name):
        def call(self, *args, **kwargs):
            raise AssertionError(f'Tensor.{name} waits for the device')

        return call

    move = torch.Tensor.to

    def to(self, *args, **kwargs):  # a device of another tensor is not a copy to the CPU
        assert 'cpu' not in [a for a in (*args, *kwargs.values()) if isinstance(a, str)], (
            "Tensor.to('cpu') waits for the device"
        )
        return move(self, *args, **kwargs)

    copies = {name: refuse(name) for name in ('cpu', 'numpy', 'tolist')}
    with mock.patch.multiple(torch.Tensor, to=to, **copies), _NoReads():
        yield


@contextmanager
def no_waiting_on_gpu():
    """Refuse what waits for a GPU, as torch notices it."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')
