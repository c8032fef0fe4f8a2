# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors that several folders raise; each is also found where its users import from."""

from __future__ import annotations


class DataError(ValueError):
    """A data file that cannot be used; the message names the file, the setting and the fault."""


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; the message names the file and what to do."""


class UnreadableCheckpointError(CheckpointError):
    """The file is empty, cut short, damaged or no checkpoint at all."""


class UnsafeCheckpointError(CheckpointError):
    """The file holds something that is not weights and was not unpickled."""


class UnloadableCheckpointError(CheckpointError):
    """The file is whole, but the libraries here cannot rebuild what it holds."""


class CheckpointMismatchError(CheckpointError):
    """The checkpoint belongs to another model."""
