# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Unpickle numpy's arrays, scalars and data types without trusting their descriptions.

numpy trusts pickles: ``numpy.ndarray(shape, 'O', data)``, or the state of a data type, turns bytes
of the file into pointers, and the first use of such an array crashes the process or does worse.
Here, a pickle's ``numpy.ndarray`` is a name that cannot be called, data types are built from a
checked description, and an array takes only data of such a type. :func:`rebuilt` then replaces the
stand-ins with numpy's own objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .restricted_unpickler import not_allowed

# booleans, numbers, times, text, bytes: all that numpy writes but for objects
_CODE = re.compile(r'b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32)|[Mm]8|[SUV]\d{1,9}')
_TIME_UNITS = ('Y', 'M', 'W', 'D', 'h', 'm', 's', 'ms', 'us', 'ns', 'ps', 'fs', 'as')


class PickledDtype:
    """Stand-in for a ``numpy.dtype`` in a pickle.

    Attributes:
        value (np.dtype): The data type, never one of Python objects.
    """

    value: np.dtype

    def __new__(cls, code: str, align: bool = False, copy: bool = True) -> PickledDtype:
        """Create a stand-in; a pickle can leave ``__init__`` out."""
        if code == 'O8':
            raise not_allowed('numpy.dtype[object_]')
        if type(code) is not str or not _CODE.fullmatch(code):
            raise not_allowed(f'numpy.dtype({code!r})')
        self = super().__new__(cls)
        self.value = np.dtype(code)
        return self

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order, and the fields, sub-array or unit; numpy computes all else."""
        _, order, sub_array, names, fields, size, _, flags, *time = state
        if sub_array is not None:
            base, shape = sub_array
            if type(shape) is not tuple or any(type(length) is not int for length in shape):
                raise not_allowed(f'numpy.dtype({shape!r})')  # it could be fields over the base
            self.value = np.dtype((_dtype(base), shape))
        elif names is not None:
            self.value = _structured(names, fields, size, bool(flags & 128))
        elif self.value.kind in 'Mm':
            self.value = np.dtype(self.value.kind + '8' + _unit(time[0][1]))
        if sub_array is None and names is None and order in ('<', '>'):
            self.value = self.value.newbyteorder(order)


def _dtype(stand_in: object) -> np.dtype:
    if type(stand_in) is not PickledDtype:
        raise not_allowed(f'numpy.dtype({type(stand_in).__name__})')
    return stand_in.value


def _structured(names: tuple, fields: dict, size: int, aligned: bool) -> np.dtype:
    formats, offsets, titles = [], [], []
    for name in names:
        stand_in, offset, *title = fields[name]
        kind = _dtype(stand_in)
        whole = type(offset) is type(size) is int
        if not whole or not 0 <= offset <= size - kind.itemsize:  # numpy's own sum can overflow
            raise not_allowed(f'numpy.dtype(offset {offset!r} of {size!r})')
        formats.append(kind)
        offsets.append(offset)
        titles.append(title[0] if title else None)
    description = dict(names=names, formats=formats, offsets=offsets, titles=titles, itemsize=size)
    return np.dtype(description, align=aligned)


def _unit(unit: tuple) -> str:
    name, number, *_ = unit
    name = name.decode('ascii') if type(name) is bytes else name
    if name == 'generic':
        return ''
    if name not in _TIME_UNITS or type(number) is not int or number < 1:
        raise not_allowed(f'numpy.dtype({unit!r})')
    return f'[{number}{name}]'


class PickledArray(np.ndarray):
    """Stand-in for an array in a pickle, whose state has a :class:`PickledDtype`."""

    def __new__(cls, *args: object) -> PickledArray:
        """Create an empty array; numpy's constructor takes memory that it is given."""
        if args:
            raise not_allowed('numpy.ndarray')
        return super().__new__(cls, (0,), np.int8)

    def __setstate__(self, state: tuple) -> None:
        """Take the shape, the data type, the order and the bytes; numpy compares the sizes."""
        version, shape, dtype, fortran, data = state
        if type(data) is not bytes or self.shape != (0,):  # another state would free its memory
            raise not_allowed(f'numpy.ndarray({type(data).__name__})')
        super().__setstate__((version, shape, _dtype(dtype), fortran, data))


def _ndarray(*args: object) -> None:
    raise not_allowed('numpy.ndarray')


def _reconstruct(*args: object) -> PickledArray:
    return PickledArray()


def _scalar(dtype: PickledDtype, data: bytes) -> np.generic:
    kind = _dtype(dtype)
    if type(data) is not bytes or len(data) != kind.itemsize:
        raise not_allowed(f'numpy.scalar({kind})')
    try:
        return np.frombuffer(data, kind)[0] if data else kind.type()
    except SystemError as error:  # a text whose code points do not exist
        raise not_allowed(f'numpy.scalar({data!r})') from error


def named(function: Callable, module: str, name: str) -> Callable:
    """Return ``function`` under the name that pickles use for it."""

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


def array_globals() -> tuple[Callable, ...]:
    """Return what pickles of arrays name, by numpy 1's and numpy 2's modules, and the stand-ins."""
    modules = ('numpy.core.multiarray', 'numpy._core.multiarray')
    functions: dict[str, Callable] = dict(_reconstruct=_reconstruct, scalar=_scalar)
    return (
        *(named(call, module, name) for name, call in functions.items() for module in modules),
        named(_ndarray, 'numpy', 'ndarray'),
        named(PickledDtype, 'numpy', 'dtype'),
        PickledDtype,
        PickledArray,
    )


def rebuilt(content: Any, objects: tuple[type, ...] = ()) -> Any:
    """Replace the stand-ins in unpickled content with numpy's arrays and data types.

    Args:
        content (Any): Dicts, lists, tuples, sets and other values. Dicts, lists and sets change in
            place.
        objects (tuple[type, ...]): Classes whose attributes are replaced too. Defaults to ().

    Returns:
        Any: ``content`` itself, if it is a dict or a list.
    """
    done: dict[int, tuple[object, object]] = {}  # with the original, so that its id stays taken

    def walk(value: Any) -> Any:
        if id(value) not in done:
            done[id(value)] = value, value
            done[id(value)] = value, replace(value)
        return done[id(value)][1]

    def replace(value: Any) -> Any:
        if type(value) is PickledDtype:
            return value.value
        if isinstance(value, PickledArray):
            return value.view(np.ndarray)
        if type(value) in (tuple, frozenset):
            before = tuple(value)
            parts = tuple(map(walk, before))
            return value if all(a is b for a, b in zip(parts, before)) else type(value)(parts)
        if isinstance(value, list):
            value[:] = map(walk, value)
        elif isinstance(value, set):
            members = [walk(member) for member in value]
            value.clear()
            value.update(members)
        elif isinstance(value, (dict, *objects)):
            replace_items(value if isinstance(value, dict) else vars(value))
        return value

    def replace_items(holder: dict) -> None:
        items = [(walk(key), walk(part)) for key, part in holder.items()]
        holder.clear()
        for key, part in items:  # update() of a Counter would count
            holder[key] = part

    return walk(content)
