# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Make ``torch.load`` read with the restricted unpickler, in one thread and one ``with`` block.

``torch.load`` reads a zip file with ``_load``, the format before torch 1.6 with ``_legacy_load``,
and passes what ``_is_torchscript_zip`` recognizes to ``torch.jit.load``. All three are replaced
once per process, by functions that do the same as before in all threads that are not in a block of
:func:`allowed_globals`. torch 2.0 to 2.13 have these names.
"""

from __future__ import annotations

import functools
import pickle
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch.torch_version import TorchVersion

from .restricted_unpickler import NotAllowedError, Unpickler, UnsupportedFormatError

_COMPARES_SIZES = TorchVersion(torch.__version__) >= '2.10'
_INSTALLATION = threading.Lock()
_thread = threading.local()


@contextmanager
def allowed_globals(allowed: Iterable[Callable]) -> Iterator[None]:
    """Restrict every ``torch.load`` of this thread, whatever its arguments, in a ``with`` block.

    The block unpickles with :class:`~mmpose_ext.engine.restricted_unpickler.Unpickler`, refuses
    TorchScript archives and tensors that are longer than their data, and reads no ``.tar`` files.

    Args:
        allowed (Iterable[Callable]): Classes and functions that are allowed in addition to torch's
            and the user's lists. Pickles name them by their ``__module__`` and ``__name__``.

    Yields:
        None: Nothing.
    """
    _install()
    before = getattr(_thread, 'pickle_module', None)
    _thread.pickle_module = restricted_pickle((*allowed, _rebuild_sparse_tensor))
    try:
        yield
    finally:
        _thread.pickle_module = before


def restricted_pickle(allowed: Iterable[Callable]) -> SimpleNamespace:
    """Return a replacement for the module ``pickle``, for the ``pickle_module`` of ``torch.load``.

    Args:
        allowed (Iterable[Callable]): See :func:`allowed_globals`.
    """
    names = {f'{value.__module__}.{value.__name__}': value for value in allowed}

    class AllowedUnpickler(Unpickler):
        def __init__(self, file: BinaryIO, **settings: object) -> None:
            super().__init__(file, allowed=names, **settings)

    def load(file: BinaryIO, **settings: object) -> object:
        return AllowedUnpickler(file, **settings).load()

    return SimpleNamespace(Unpickler=AllowedUnpickler, load=load)


def _install() -> None:
    with _INSTALLATION:
        for name, replacement in _REPLACEMENTS.items():
            original = getattr(torch.serialization, name)
            if not hasattr(original, 'restricted'):
                setattr(torch.serialization, name, _in_restricted_threads(original, replacement))


def _in_restricted_threads(original: Callable, replacement: Callable) -> Callable:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        ours = getattr(_thread, 'pickle_module', None)
        if ours is None:
            return original(*args, **kwargs)
        return replacement(original, ours, *args, **kwargs)

    setattr(call, 'restricted', True)  # noqa: B010  mypy knows no attributes of functions
    return call


def _refuse_programs(original: Callable, ours: object, zip_file: Any) -> bool:
    if original(zip_file):
        raise NotAllowedError('a TorchScript archive')
    return False


def _load_zip(
    original: Callable, ours: object, zip_file: Any, location: object, _: object, **kwargs: Any
) -> object:
    reader = zip_file if _COMPARES_SIZES else _CheckedReader(zip_file)
    with _checked_sparse_tensors():
        return original(reader, location, ours, **kwargs)


def _load_legacy(
    original: Callable, ours: object, file: BinaryIO, location: object, _: object, **kwargs: Any
) -> object:
    if _is_tar(file):
        raise UnsupportedFormatError('a .tar file of torch before 0.2')
    with _checked_sparse_tensors():
        return original(file, location, ours, **kwargs)


_REPLACEMENTS: dict[str, Callable] = {
    '_is_torchscript_zip': _refuse_programs,
    '_load': _load_zip,
    '_legacy_load': _load_legacy,
}


def _is_tar(file: BinaryIO) -> bool:
    start = file.tell()
    try:
        with tarfile.open(fileobj=file, mode='r:') as archive:
            return 'storages' in archive.getnames()
    except tarfile.TarError:
        return False
    finally:
        file.seek(start)


@contextmanager
def _checked_sparse_tensors() -> Iterator[None]:
    """Check the indices of the sparse tensors that a file holds, once their data are there.

    torch 2.13 leaves this out, unless a switch for the whole process is set. Other indices would
    let operations on the tensor write anywhere.
    """
    before = getattr(_thread, 'sparse_tensors', None)
    found: list[torch.Tensor] = []
    _thread.sparse_tensors = found
    try:
        yield
    finally:
        _thread.sparse_tensors = before
    for tensor in found:
        try:
            _check_sparse_tensor(tensor)
        except RuntimeError as error:
            raise pickle.UnpicklingError(f'corrupt: a sparse tensor, {error}') from error


def _rebuild_sparse_tensor(layout: torch.layout, data: tuple) -> torch.Tensor:
    tensor = torch._utils._rebuild_sparse_tensor(layout, data)
    _thread.sparse_tensors.append(tensor)
    return tensor


_rebuild_sparse_tensor.__module__ = 'torch._utils'  # the name in pickles


def _check_sparse_tensor(tensor: torch.Tensor) -> None:
    size = tensor.size()
    if tensor.is_meta:
        return
    if tensor.layout is torch.sparse_coo:
        indices, values = tensor._indices(), tensor._values()
        torch.sparse_coo_tensor(indices, values, size, check_invariants=True)
        return
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        starts, places = tensor.crow_indices(), tensor.col_indices()
    else:
        starts, places = tensor.ccol_indices(), tensor.row_indices()
    torch.sparse_compressed_tensor(
        starts, places, tensor.values(), size, layout=tensor.layout, check_invariants=True
    )


class _CheckedReader:
    """torch's reader of zip files, with the comparison of sizes that torch has from 2.10 on.

    Without it, a tensor that claims to be longer than its data shows the memory behind them.
    """

    def __init__(self, reader: Any) -> None:
        self.reader = reader

    def __getattr__(self, name: str) -> object:
        return getattr(self.reader, name)

    def get_storage_from_record(self, name: str, size: int, *args: object) -> object:
        found = len(self.reader.get_record(name))
        if found != size:
            raise pickle.UnpicklingError(
                f'corrupt: the data {name} have {found} bytes, not the expected {size}'
            )
        return self.reader.get_storage_from_record(name, size, *args)
