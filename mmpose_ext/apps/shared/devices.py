# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Check a device before anything is loaded for it."""

from __future__ import annotations

import torch

from mmpose_ext.utils.errors import ArgumentError


def check_device(device: str | None) -> None:
    """Check that torch has a device.

    Args:
        device (str, optional): Its name. None is not checked.

    Raises:
        ArgumentError: If it is unknown or missing.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(
            '{} {device}: {reason}', 'device', device=device, reason=str(error).splitlines()[0]
        ) from error
