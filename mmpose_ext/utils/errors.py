# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Errors that several folders raise; the modules that raise them export them too."""

from __future__ import annotations


class DataError(ValueError):
    """A data file cannot be used; the message names the file, the setting and the fault."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message names the file and what to do."""


class UnreadableCheckpointError(CheckpointError):
    """The file is empty, truncated, damaged or not a checkpoint."""


class UnsafeCheckpointError(CheckpointError):
    """The file holds something other than weights, and nothing of it was unpickled."""


class UnloadableCheckpointError(CheckpointError):
    """The file is complete, but the installed libraries cannot rebuild its contents."""


class CheckpointMismatchError(CheckpointError):
    """The checkpoint belongs to another model."""
