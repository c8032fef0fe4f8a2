# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""No array in a checkpoint can make numpy follow a pointer from the file."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mmpose_ext.engine import UnsafeCheckpointError, load_checkpoint_safely
from mmpose_ext.engine.checkpoint_loading import allowed_classes
from mmpose_ext.engine.pickled_arrays import PickledArray, PickledDtype, rebuilt
from mmpose_ext.engine.restricted_loading import restricted_pickle
from mmpose_ext.engine.restricted_unpickler import NotAllowedError

POINTERS = b'AAAAAA\0\0' * 4
MULTIARRAY = (np.core if np.__version__.startswith('1.') else np._core).multiarray


class Pickled:
    """Pickles as a call and, if given, a state."""

    def __init__(self, *reduced: object) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple:
        return self.reduced


def dtype(code: str, *state: object) -> Pickled:
    return Pickled(np.dtype, (code, False, True), *([tuple(state)] if state else []))


def array(kind: object, shape: tuple = (4,), data: object = POINTERS) -> Pickled:
    arguments = np.ndarray, (0,), b'b'
    return Pickled(MULTIARRAY._reconstruct, arguments, (1, shape, kind, False, data))


OBJECTS = dtype('O8')
FIELD = ('a',), {'a': (OBJECTS, 0)}
# numpy adds offset and size as C integers, which overflow
FAR = 2**31 - 4
OVERFLOWING = dtype('V8', 3, '|', None, ('a',), {'a': (dtype('i4'), FAR)}, 8, 1, 0)
FAR_FIELDS = ('a', 'b'), {'a': (dtype('i4'), FAR), 'b': (dtype('i4'), FAR)}
ATTACKS = {
    "numpy's constructor": Pickled(np.ndarray, ((4,), 'O', POINTERS)),
    'constructor and use': Pickled(frozenset, (Pickled(np.ndarray, ((4,), 'O', POINTERS)),)),
    'constructor, fields': Pickled(np.ndarray, ((4,), [('a', 'O')], POINTERS)),
    'constructor of the stand-in': Pickled(PickledArray, ((4,), 'O', POINTERS)),
    'array of objects': array(OBJECTS),
    'objects in a list': array(OBJECTS, data=[1, 2, 3, 4]),
    'type of objects': OBJECTS,
    'code that means objects': dtype('O'),
    'code with fields': dtype('O8,O8'),
    'list of fields as code': dtype([('a', 'O8')]),
    'fields in the state': array(dtype('V8', 3, '|', None, *FIELD, 8, 1, 0)),
    'fields without their flags': array(dtype('i8', 3, '|', None, *FIELD, 8, 1, 0)),
    'sub-array of objects': array(dtype('V8', 3, '|', (OBJECTS, (1,)), None, None, 8, 1, 0)),
    'fields as the shape of a sub-array': array(
        dtype('V8', 3, '|', (dtype('V8'), {'a': ('O', 0)}), None, None, 8, 1, 0)
    ),
    'scalar of objects': Pickled(MULTIARRAY.scalar, (OBJECTS, POINTERS[:8])),
    'scalar that is too short': Pickled(MULTIARRAY.scalar, (dtype('i8'), b'a')),
    'unit that is no unit': dtype('M8', 4, '<', None, None, None, -1, -1, 0, (None, (b'O', 1))),
    'unit of no time': dtype('M8', 4, '<', None, None, None, -1, -1, 0, (None, (b's', 0, 1, 1))),
    'field beyond the end': array(OVERFLOWING, (1,), b'a' * 8),
    'field beyond the end, scalar': Pickled(MULTIARRAY.scalar, (OVERFLOWING, b'a' * 8)),
    'field beyond the end, used': Pickled(
        OrderedDict, (array(dtype('V8', 3, '|', None, *FAR_FIELDS, 8, 1, 0), (1,), b'a' * 8),)
    ),
    'text without code points': Pickled(MULTIARRAY.scalar, (dtype('U1'), b'\xff' * 4)),
    'state of text': Pickled(
        MULTIARRAY._reconstruct, (np.ndarray, (0,), b'b'), (1, (1,), dtype('i8'), False, [1])
    ),
}


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('name', ATTACKS)
def test_attacks_are_refused(name, zipped, tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(dict(a=ATTACKS[name]), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeCheckpointError, match=r'(numpy|PickledArray)'):
        load_checkpoint_safely(path)


def test_state_cannot_be_set_twice():
    value = PickledArray()
    value.__setstate__((1, (4,), PickledDtype('i8'), False, POINTERS))
    with pytest.raises(NotAllowedError, match=r'numpy\.ndarray'):
        value.__setstate__((1, (4,), PickledDtype('i8'), False, POINTERS))


@pytest.mark.parametrize(
    'kind',
    [
        '>f4',  # another byte order
        [('a', 'f4'), ('b', 'U3')],
        [('a', [('c', '>i2')]), ('b', 'f4', (2, 3))],  # fields in fields, and a sub-array
        [(('title', 'a'), 'i4')],
        np.dtype([('a', 'i1'), ('b', 'f8')], align=True),
        dict(names=['a'], formats=['i2'], offsets=[3], itemsize=9),  # gaps
        'M8',  # without a unit
        'm8[25us]',
        'S0',
    ],
    ids=str,
)
def test_types_are_equal_after_loading(kind, tmp_path):
    size = np.dtype(kind).itemsize
    expected = np.frombuffer(bytes(range(1, 1 + 3 * size)), kind) if size else np.zeros(3, kind)
    torch.save(dict(a=expected, kind=expected.dtype), tmp_path / 'file.pth')
    found = load_checkpoint_safely(tmp_path / 'file.pth')
    assert type(found['a']) is np.ndarray
    assert found['kind'] == expected.dtype
    by_numpy = pickle.loads(pickle.dumps(expected, 2))  # which turns >f4 into the machine's order
    assert found['a'].dtype == by_numpy.dtype
    assert found['a'].dtype.isalignedstruct == by_numpy.dtype.isalignedstruct
    assert found['a'].tobytes() == by_numpy.tobytes()


def test_stand_in_without_a_type_is_refused():
    code = b'cmmpose_ext.engine.pickled_arrays\nPickledDtype\n)\x81.'
    with pytest.raises(TypeError, match='code'):
        restricted_pickle(allowed_classes()).load(io.BytesIO(b'\x80\x02' + code))


def test_stand_ins_in_keys_and_sets_are_replaced():
    kind = PickledDtype('f4')
    content = dict(a={kind: 1, 'b': 2}, c={kind}, d=frozenset({kind}))
    found = rebuilt(content)
    expected = np.dtype('f4')
    assert list(found['a'].items()) == [(expected, 1), ('b', 2)]
    assert found['c'] == {expected} and found['d'] == frozenset({expected})


def test_stand_ins_are_replaced_everywhere():
    value = PickledArray()
    value.__setstate__((1, (1,), PickledDtype('i8'), False, POINTERS[:8]))
    content = dict(a=[value, (value, 'text')], b=(1, 2))
    content['itself'] = content
    same = content['b']
    found = rebuilt(content)
    assert found is content is found['itself'] and found['b'] is same
    first, (second, text) = found['a']
    assert type(first) is np.ndarray and first is second and text == 'text'
