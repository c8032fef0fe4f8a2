# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Memory for images: shared by successive ones, or for a batch."""

from __future__ import annotations

import math
import threading

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

#: Bytes above which memory is not kept.
LARGEST = 2**26


class _Kept(threading.local):
    def __init__(self) -> None:
        self.memory: dict[str, np.ndarray] = {}


_KEPT = _Kept()


def scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return uninitialized memory, which the thread's next call with the same name returns again.

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


def new_memory(size: int, shared: bool | None = None) -> Tensor:
    """Return uninitialized memory (size,) uint8.

    Args:
        size (int): In bytes.
        shared (bool, optional): Whether other processes can share it. Else a worker would copy it
            once more when it hands it over. Defaults to whether this is a data worker.
    """
    if get_worker_info() is None if shared is None else not shared:
        return torch.empty(size, dtype=torch.uint8)
    storage = torch.UntypedStorage._new_shared(size)
    return torch.empty(0, dtype=torch.uint8).set_(storage)
