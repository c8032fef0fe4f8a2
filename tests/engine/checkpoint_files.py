# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Write files of torch's two formats around any pickle, and programs in its third."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Tuple

import torch


def change_zip(path: Path | str, change: Callable[[bytes], bytes]) -> None:
    """Write a file of ``torch.save`` again, with another pickle in it."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in parts.items():
            archive.writestr(name, change(data) if name.endswith('/data.pkl') else data)


def write_zip(path: Path | str, pickled: bytes) -> None:
    """Write torch's zip format around a pickle without tensors."""
    torch.save({}, path)
    change_zip(path, lambda before: pickled)


def write_legacy(path: Path | str, pickled: bytes) -> None:
    """Write torch's format before 1.6 around a pickle without tensors."""
    header = [0x1950A86A20F9469CFC6C, 1001, dict(little_endian=True)]
    parts = [pickle.dumps(part, protocol=2) for part in header]
    Path(path).write_bytes(b''.join([*parts, pickled, pickle.dumps([], protocol=2)]))


class _Program(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))

    @torch.jit.export
    def __getstate__(self):
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, bool]):  # noqa: UP006  for TorchScript
        torch.save(torch.zeros(1), 'code_was_run')
        self.weight = state[0]
        self.training = state[1]

    def forward(self, x):
        return x


def write_program(path: Path | str) -> None:
    """Write a TorchScript archive that, when loaded, writes a file into the current folder.

    The file is called ``code_was_run``.
    """
    torch.jit.save(torch.jit.script(_Program()), str(path))
    Path('code_was_run').unlink(missing_ok=True)
