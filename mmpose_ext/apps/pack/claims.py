# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Share the batches of a pack among processes, which may be killed at any time."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

#: Seconds after which the claim of a process on another machine no longer counts.
PATIENCE = 600


def claimed_batches(
    environment: Any, total: int, tell: Callable[[int, int], None]
) -> Iterator[int]:
    """Yield indices of batches, each claimed for this process, until all are done."""
    open_batches = list(range(total))
    while open_batches:
        claimed = None
        with environment.begin(write=True) as transaction:
            open_batches = [n for n in open_batches if transaction.get(done_key(n)) is None]
            for number in open_batches:
                if not is_alive(transaction.get(claim_key(number))):
                    claimed = number
                    mine = [socket.gethostname(), os.getpid(), time.time()]
                    transaction.put(claim_key(number), json.dumps(mine).encode())
                    break
        tell(total - len(open_batches), total)
        if claimed is not None:
            yield claimed
        elif open_batches:
            time.sleep(0.2)  # other processes work on them


def is_alive(claim: bytes | None) -> bool:
    """Return whether the process that claimed a batch still works on it."""
    if claim is None:
        return False
    host, process, since = json.loads(bytes(claim))
    if host != socket.gethostname():
        return time.time() - since < PATIENCE
    if process == os.getpid():  # an earlier process had the same id
        return False
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


def done_key(number: int) -> bytes:
    """Return the key that marks a finished batch."""
    return f'd:{number}'.encode()


def claim_key(number: int) -> bytes:
    """Return the key of the claim on a batch."""
    return f'c:{number}'.encode()
