# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Memory that successive images share."""

from __future__ import annotations

import math
import threading

import numpy as np

#: Bytes above which memory is not kept.
LARGEST = 2**26


class _Kept(threading.local):
    def __init__(self) -> None:
        self.memory: dict[str, np.ndarray] = {}


_KEPT = _Kept()


def scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return uninitialised memory, which the thread's next call with the same name returns again.

    The system clears new memory page by page when it is first written, which takes a third as long
    as decoding a crop.

    Args:
        name (str): What it is for.
        shape (tuple[int, ...]): Of the uint8 array.
    """
    size = math.prod(shape)
    if size > LARGEST:
        return np.empty(shape, np.uint8)
    memory = _KEPT.memory.get(name)
    if memory is None or len(memory) < size:
        memory = _KEPT.memory[name] = np.empty(size, np.uint8)
    return memory[:size].reshape(shape)
