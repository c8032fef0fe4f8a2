# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""What can be wrong with a checkpoint."""


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
