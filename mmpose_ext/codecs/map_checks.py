# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Refuse maps with NaN or infinite values, in pure numpy.

The codecs and exported models' decoders share it, so that both refuse the same maps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Offsets in maps of more cells are checked where the decoder follows them, which saves time.
MOST_CELLS = 1 << 16


def is_checked_whole(name: str, shape: tuple[int, ...]) -> bool:
    """Return whether all values of maps (B, C, h, w) are checked, and not only those followed."""
    return not name.endswith('offsets') or shape[-1] * shape[-2] <= MOST_CELLS


def refuse_non_finite(codec: str, maps: Mapping[str, np.ndarray]) -> None:
    """Check a model's maps, of any shape.

    Args:
        codec (str): The codec's name, for the message.
        maps (Mapping[str, np.ndarray]): The maps by name.

    Raises:
        ValueError: If one holds NaN or infinite values.
    """
    for name, value in maps.items():
        bad = int((~np.isfinite(value)).sum())
        if bad:
            raise ValueError(
                f'{codec}: {name} holds {bad} NaN or infinite values of {value.size}. The model '
                'has diverged or its checkpoint is broken: lower the learning rate, or load '
                'another checkpoint.'
            )


def check_whole_maps(codec: str, maps: Mapping[str, np.ndarray]) -> None:
    """Check the maps of which all values are checked, see :func:`is_checked_whole`.

    Raises:
        ValueError: If one holds NaN or infinite values.
    """
    whole = {name: value for name, value in maps.items() if is_checked_whole(name, value.shape)}
    if not all(np.isfinite(value.sum()) for value in whole.values()):  # a sum is fast
        refuse_non_finite(codec, whole)
