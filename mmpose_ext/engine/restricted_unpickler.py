# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Unpickle with a list of allowed names, for torch before 2.5, whose own list is fixed.

torch 2.0 to 2.4 unpickle weights with a fixed list, and support too few of pickle's instructions
for numpy arrays. There :func:`allowed_globals` makes them use :class:`Unpickler`, in the calling
thread only. From torch 2.5 on it is :func:`torch.serialization.safe_globals`.
"""

from __future__ import annotations

import _compat_pickle
import functools
import pickle
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import _weights_only_unpickler as torchs_own

HAS_SAFE_GLOBALS = hasattr(torch.serialization, 'safe_globals')
_SETTABLE = (dict, OrderedDict, Counter)
# Each of these creates an object in its own way, which no checkpoint needs.
_REFUSED = (
    pickle.INST,
    pickle.OBJ,
    pickle.NEWOBJ_EX,
    pickle.EXT1,
    pickle.EXT2,
    pickle.EXT4,
    pickle.PERSID,
    pickle.BYTEARRAY8,
    pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
)
_thread = threading.local()
_PythonUnpickler: Any = pickle._Unpickler  # type checkers take it for the one in C


def _latin1(text: str, encoding: str) -> bytes:
    """Replace ``codecs.encode``, allowing only the way in which pickle writes bytes."""
    if type(text) is not str or encoding != 'latin1':
        raise pickle.UnpicklingError('GLOBAL _codecs.encode was not an allowed global')
    return text.encode('latin1')


@functools.lru_cache(maxsize=None)
def _torchs_globals() -> dict[str, object]:
    """Return what newer torch allows by default: tensors, dtypes, devices, Python's containers."""
    dtypes = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
    return {
        **torchs_own._get_allowed_globals(),
        **dtypes,
        'collections.Counter': Counter,
        'torch.device': torch.device,
        '_codecs.encode': _latin1,
        'builtins.bytearray': bytearray,
        'builtins.set': set,
        'builtins.complex': complex,
    }


class Unpickler(_PythonUnpickler):
    """Python's own unpickler, restricted to a list of names and to calls of the listed names.

    It imports nothing. Only functions and classes on the list create objects, and an object's state
    is set only if its class is on the list. This class replaces the class of the same name in
    ``pickle`` and in ``torch._weights_only_unpickler``.

    Raises:
        pickle.UnpicklingError: If something is not allowed; the message is worded like torch's.
    """

    dispatch: dict[int, Callable[[Unpickler], None]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, file: BinaryIO, **settings: object) -> None:
        super().__init__(file, **settings)
        self.allowed = {**_torchs_globals(), **getattr(_thread, 'allowed', {})}
        self.callable = {id(value) for value in self.allowed.values()}

    def find_class(self, module: str, name: str) -> object:
        """Return the object that the list has under this name."""
        if self.proto < 3:
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        if f'{module}.{name}' not in self.allowed:
            raise pickle.UnpicklingError(f'GLOBAL {module}.{name} was not an allowed global')
        return self.allowed[f'{module}.{name}']

    def load_reduce(self) -> None:
        """Call only functions and classes on the list."""
        arguments, function = self.stack.pop(), self.stack[-1]
        if id(function) not in self.callable:
            raise pickle.UnpicklingError(f'reduce for unrecognized function {function!r}')
        self.stack[-1] = function(*arguments)

    def load_newobj(self) -> None:
        """Create objects only of classes on the list."""
        arguments, cls = self.stack.pop(), self.stack[-1]
        if id(cls) not in self.callable or not isinstance(cls, type):
            raise pickle.UnpicklingError(f'Can only create objects of allowed types, but got {cls}')
        new = cls if cls is torch.nn.Parameter else functools.partial(cls.__new__, cls)
        self.stack[-1] = new(*arguments)

    def load_build(self) -> None:
        """Set the state only of objects whose class is on the list."""
        state, instance = self.stack.pop(), self.stack[-1]
        cls = type(instance)
        if cls is torch.Tensor:
            instance.set_(*state)
        elif cls is OrderedDict:
            instance.__dict__.update(state)
        elif id(cls) not in self.callable:
            raise pickle.UnpicklingError(f'Can only build allowed types, but got {cls}')
        elif hasattr(instance, '__setstate__'):
            instance.__setstate__(state)
        elif type(state) is not dict:
            raise pickle.UnpicklingError(f'Can only build {cls} from a dict')
        else:
            instance.__dict__.update(state)

    def load_binpersid(self) -> None:
        """Load only storages of tensors."""
        identity = self.stack[-1]
        kind = identity[0] if type(identity) is tuple and identity else identity
        kind = kind.decode('ascii', 'replace') if isinstance(kind, bytes) else kind
        if type(identity) is not int and kind != 'storage':
            raise pickle.UnpicklingError('Only persistent_load of storage is allowed')
        super().load_binpersid()

    def load_refused(self) -> None:
        """Refuse an instruction that no checkpoint needs."""
        raise pickle.UnpicklingError('an instruction of pickle that no checkpoint needs')

    dispatch.update(dict.fromkeys((code[0] for code in _REFUSED), load_refused))
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BINPERSID[0]] = load_binpersid


def _only_into(code: bytes, depth: Callable, types: tuple[type, ...]) -> None:
    """Let an instruction change only objects of these types; ``depth`` gives its target."""
    original = Unpickler.dispatch[code[0]]

    def load(self: Unpickler) -> None:
        target = depth(self)
        if type(target) not in types:
            raise pickle.UnpicklingError(f'Can only change {types}, but got {type(target)}')
        original(self)

    Unpickler.dispatch[code[0]] = load


_only_into(pickle.APPEND, lambda self: self.stack[-2], (list,))
_only_into(pickle.SETITEM, lambda self: self.stack[-3], _SETTABLE)
_only_into(pickle.APPENDS, lambda self: self.metastack[-1][-1], (list,))
_only_into(pickle.SETITEMS, lambda self: self.metastack[-1][-1], _SETTABLE)
_only_into(pickle.ADDITEMS, lambda self: self.metastack[-1][-1], (set,))


def load(file: BinaryIO, **settings: object) -> object:
    """Unpickle one object from an open file (see :class:`Unpickler`)."""
    return Unpickler(file, **settings).load()


class _ByThread:
    """The module that torch before 2.5 unpickles weights with; ours inside ``allowed_globals``."""

    ours = SimpleNamespace(Unpickler=Unpickler, load=load)

    def __getattr__(self, name: str) -> object:
        return getattr(self.ours if hasattr(_thread, 'allowed') else torchs_own, name)


@contextmanager
def _allowed_in_this_thread(allowed: Iterable[Callable]) -> Iterator[None]:
    torch.serialization._weights_only_unpickler = _ByThread()
    before = dict(vars(_thread))
    _thread.allowed = {f'{value.__module__}.{value.__name__}': value for value in allowed}
    try:
        yield
    finally:
        vars(_thread).clear()
        vars(_thread).update(before)


def allowed_globals(allowed: Iterable[Callable]) -> AbstractContextManager:
    """Return a context in which ``torch.load(weights_only=True)`` also accepts these globals.

    Args:
        allowed (Iterable[Callable]): Classes and functions, which pickles name by their
            ``__module__`` and ``__name__``.

    Returns:
        AbstractContextManager: The context.
    """
    if HAS_SAFE_GLOBALS:
        return torch.serialization.safe_globals(list(allowed))
    return _allowed_in_this_thread(allowed)
