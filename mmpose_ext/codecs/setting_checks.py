# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Checks of the codecs' settings. Exported models contain this module, which needs Python only."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields
from numbers import Real
from typing import Any


def check_number(
    codec: str,
    name: str,
    value: Any,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number as a float.

    Args:
        codec (str): The codec's name, for the message.
        name (str): The setting's name.
        value (Any): The setting's value.
        least (float, optional): The smallest number allowed.
        above (float, optional): The number must be above it.
        below (float, optional): The number must be below it.

    Raises:
        ValueError: If it is no such number. NaN, infinity, booleans and strings are none.
    """
    number = _plain(value)
    fits = {
        'of {:g} or more': least is None or number >= least,
        'above {:g}': above is None or number > above,
        'below {:g}': below is None or number < below,
    }
    if math.isfinite(number) and all(fits.values()):
        return number
    bounds = zip(fits, (least, above, below))
    wanted = ' and '.join(text.format(bound) for text, bound in bounds if bound is not None)
    wanted = f'a finite number {wanted}'.rstrip()
    raise ValueError(f'{codec}: {name} must be {wanted}, got {value!r}.')


def check_whole(codec: str, name: str, value: Any, least: int = 1) -> int:
    """Return a whole number as an int, also if it is a float such as 4.0.

    Args:
        codec (str): The codec's name, for the message.
        name (str): The setting's name.
        value (Any): The setting's value.
        least (int): The smallest number allowed. Defaults to 1.

    Raises:
        ValueError: If it is no such number.
    """
    number = _plain(value)
    if number.is_integer() and number >= least:
        return int(value)
    raise ValueError(f'{codec}: {name} must be a whole number of {least} or more, got {value!r}.')


def check_size(codec: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """Return a size [w, h] as two ints; see :func:`check_whole`.

    Raises:
        ValueError: If it is no such size.
    """
    given = list(value) if hasattr(value, '__iter__') else [value]
    numbers = [_plain(side) for side in given]
    if len(numbers) == 2 and all(side.is_integer() and side >= least for side in numbers):
        return int(numbers[0]), int(numbers[1])
    raise ValueError(
        f'{codec}: {name} must be [w, h], two whole numbers of {least} or more, got {value!r}.'
    )


def check_flag(codec: str, name: str, value: Any) -> bool:
    """Return a switch as a bool.

    Raises:
        ValueError: If it is neither True nor False (nor 1 or 0).
    """
    if isinstance(value, str) or value not in (True, False):
        raise ValueError(f'{codec}: {name} must be True or False, got {value!r}.')
    return bool(value)


def check_choice(codec: str, name: str, value: Any, allowed: Collection) -> None:
    """Check that a setting is one of those allowed.

    Raises:
        ValueError: If it is not.
    """
    if value not in allowed:
        raise ValueError(f'{codec}: {name} must be one of {tuple(allowed)}, got {value!r}.')


def check_fields(
    settings: Any, above_0: Collection[str] = (), least_0: Collection[str] = ()
) -> None:
    """Check the numbers and switches of a frozen dataclass, and convert them to their types.

    Whole numbers must be 1 or more unless ``least_0`` names them. None is allowed where the type
    says so. Fields of other types are not checked.

    Args:
        settings (Any): A dataclass in a module with ``from __future__ import annotations``; its
            ``codec`` is the codec's name.
        above_0 (Collection[str]): The fields that must be above 0. Defaults to none.
        least_0 (Collection[str]): The fields that must be 0 or more. Defaults to none.

    Raises:
        ValueError: If a field is not a finite number, a whole number or a switch, as its type says,
            or is out of its range.
    """
    for field in fields(settings):
        kind, _, optional = str(field.type).partition(' | ')
        where = settings.codec, field.name, getattr(settings, field.name)
        checked: float | None
        if optional and where[2] is None:
            continue
        if kind == 'bool':
            checked = check_flag(*where)
        elif kind == 'int':
            checked = check_whole(*where, least=0 if field.name in least_0 else 1)
        elif kind == 'float':
            least = 0 if field.name in least_0 else None
            checked = check_number(*where, least, above=0 if field.name in above_0 else None)
        else:
            continue
        object.__setattr__(settings, field.name, checked)


def _plain(value: Any) -> float:
    """Return a number as a float; NaN for anything else."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
