# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Unpickle with a list of allowed names; nothing else is imported, called or changed.

torch's own unpickler differs from version to version: before 2.5 its list is fixed, before 2.6 it
runs TorchScript archives, and before 2.10 it changes objects that it should not. With all versions
of torch, this one reads the files (:mod:`mmpose_ext.engine.restricted_loading`).
"""

from __future__ import annotations

import _compat_pickle
import functools
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import torch
from torch import _weights_only_unpickler as torchs_own

_SETTABLE = (dict, OrderedDict, Counter)
# Each of these creates an object in its own way, which no checkpoint needs.
_REFUSED = {
    getattr(pickle, name)[0]: name
    for name in (
        'INST',
        'OBJ',
        'NEWOBJ_EX',
        'EXT1',
        'EXT2',
        'EXT4',
        'PERSID',
        'BYTEARRAY8',
        'NEXT_BUFFER',
        'READONLY_BUFFER',
    )
}
_BLOCKED = ('sys', 'os', 'posix', 'nt')  # as torch does, even if a user allows something in them
_PythonUnpickler: Any = pickle._Unpickler  # type checkers take it for the one in C


class NotAllowedError(Exception):
    """A file holds something that is not allowed; the message says what, as a noun.

    It is not a :class:`pickle.UnpicklingError`, because torch replaces those with its own.
    """


class UnsupportedFormatError(Exception):
    """A file has a format that is not read here; the message says which, as a noun."""


def not_allowed(name: object) -> NotAllowedError:
    """Return the error for a class or function, or a call of one."""
    return NotAllowedError(f'`{name}`')


def _latin1(text: str, encoding: str) -> bytes:
    """Replace ``codecs.encode``, allowing only the way in which pickle writes bytes."""
    if type(text) is not str or encoding != 'latin1':
        raise not_allowed('_codecs.encode')
    return text.encode('latin1')


def _bytearray(*args: Any) -> bytearray:
    """Replace ``bytearray``, allowing all but a size, which takes memory that the file does not."""
    if args and type(args[0]) not in (bytes, str):
        raise not_allowed(f'bytearray{args}')
    return bytearray(*args)


@functools.lru_cache(maxsize=None)
def _torchs_globals() -> dict[str, object]:
    """Return what newer torch allows by default: tensors, dtypes, devices, Python's containers.

    The constructors of sparse tensors and nested tensors are left out: they do not check indices,
    and no checkpoint needs them (``torch.save`` writes ``_rebuild_sparse_tensor``).
    """
    dtypes = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
    own = torchs_own._get_allowed_globals()
    return {
        **{name: value for name, value in own.items() if not _is_unchecked(name)},
        **dtypes,
        'collections.Counter': Counter,
        'torch.device': torch.device,
        '_codecs.encode': _latin1,
        'builtins.bytearray': _bytearray,
        'builtins.set': set,
        'builtins.complex': complex,
    }


def _is_unchecked(name: str) -> bool:
    return '.sparse.' in name or name == 'torch._utils._rebuild_nested_tensor'


def _users_globals() -> dict[str, object]:
    """Return what was given to ``torch.serialization.add_safe_globals`` (from torch 2.4 on)."""
    found: dict[str, object] = {}
    for entry in getattr(torch.serialization, 'get_safe_globals', list)():
        value, name = entry if isinstance(entry, tuple) else (entry, None)
        name = name or f'{value.__module__}.{getattr(value, "__qualname__", value.__name__)}'
        if name.rpartition('.')[0] not in _BLOCKED:
            found[name] = value
    return found


class Unpickler(_PythonUnpickler):
    """Python's own unpickler, restricted to a list of names and to calls of the listed names.

    It imports nothing. Only functions and classes on the list create objects, and an object's state
    is set only if its class is on the list. Where a name has several meanings, ``allowed`` precedes
    torch's list, and that the user's.

    Args:
        file (BinaryIO): The open file.
        allowed (Mapping[str, object], optional): What is allowed in addition to torch's and the
            user's lists, by ``'module.name'``. Defaults to nothing.
        **settings (object): As for :class:`pickle.Unpickler`.

    Raises:
        NotAllowedError: If something is not allowed.
    """

    dispatch: dict[int, Callable[[Unpickler], None]] = dict(_PythonUnpickler.dispatch)

    def __init__(
        self, file: BinaryIO, *, allowed: Mapping[str, object] | None = None, **settings: object
    ) -> None:
        super().__init__(file, **settings)
        self.allowed = {**_users_globals(), **_torchs_globals(), **(allowed or {})}
        self.callable = {id(value) for value in self.allowed.values()}

    def find_class(self, module: str, name: str) -> object:
        """Return the object that the list has under this name."""
        if self.proto < 3:
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        if f'{module}.{name}' not in self.allowed:
            raise not_allowed(f'{module}.{name}')
        return self.allowed[f'{module}.{name}']

    def load_reduce(self) -> None:
        """Call only functions and classes on the list."""
        arguments, function = self.stack.pop(), self.stack[-1]
        if id(function) not in self.callable:
            raise NotAllowedError(f'a call of {function!r}')
        self.stack[-1] = function(*arguments)

    def load_newobj(self) -> None:
        """Create objects only of classes on the list."""
        arguments, cls = self.stack.pop(), self.stack[-1]
        if id(cls) not in self.callable or not isinstance(cls, type):
            raise NotAllowedError(f'an object of {cls!r}')
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
            raise NotAllowedError(f'a state of {cls!r}')
        elif hasattr(instance, '__setstate__'):
            instance.__setstate__(state)
        else:
            attributes, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
            instance.__dict__.update(attributes or {})
            for name, value in (slots or {}).items():
                setattr(instance, name, value)

    def load_binpersid(self) -> None:
        """Load only storages of tensors."""
        identity = self.stack[-1]
        kind = identity[0] if type(identity) is tuple and identity else identity
        kind = kind.decode('ascii', 'replace') if isinstance(kind, bytes) else kind
        if kind != 'storage':
            raise NotAllowedError(f'a persistent object of another kind than storages, {kind!r},')
        super().load_binpersid()

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BINPERSID[0]] = load_binpersid


def _refuse(name: str) -> Callable[[Unpickler], None]:
    def load(self: Unpickler) -> None:
        raise NotAllowedError(f"pickle's instruction {name}")

    return load


def _only_into(code: bytes, depth: Callable, types: tuple[type, ...]) -> None:
    """Let an instruction change only objects of these types; ``depth`` gives its target."""
    original = Unpickler.dispatch[code[0]]

    def load(self: Unpickler) -> None:
        target = depth(self)
        if type(target) not in types:
            raise NotAllowedError(f'a change of {type(target)!r}')
        original(self)

    Unpickler.dispatch[code[0]] = load


for _code, _name in _REFUSED.items():
    Unpickler.dispatch[_code] = _refuse(_name)
_only_into(pickle.APPEND, lambda self: self.stack[-2], (list,))
_only_into(pickle.SETITEM, lambda self: self.stack[-3], _SETTABLE)
_only_into(pickle.APPENDS, lambda self: self.metastack[-1][-1], (list,))
_only_into(pickle.SETITEMS, lambda self: self.metastack[-1][-1], _SETTABLE)
_only_into(pickle.ADDITEMS, lambda self: self.metastack[-1][-1], (set,))
