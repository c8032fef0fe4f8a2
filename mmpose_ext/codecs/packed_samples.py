# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Read the contents of samples packed by PackPoseInputs and stack them to a batch."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import torch
from mmpose.structures import PoseDataSample
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def stack_people(
    samples: Sequence[PoseDataSample],
    name: str,
    device: torch.device | str | None,
    level: int | None,
) -> Tensor:
    """Stack instance labels (N_i, ...) to (B, max N_i, ...), padded with 0.

    Args:
        samples (Sequence[PoseDataSample]): B samples.
        name (str): Name of the label.
        device (torch.device | str, optional): Target device. None keeps the current one.
        level (int, optional): Which of several encoders' labels to take.
    """
    values = [sample.gt_instance_labels.get(name) for sample in samples]
    if level is not None:
        values = [value[level] for value in values]
    return pad_sequence(values, batch_first=True).to(device, non_blocking=True)


def stack_pixels(fields: Sequence, name: str, device: torch.device | str | None) -> Tensor:
    """Stack pixel data (C, h, w), all of one size, to (B, C, h, w)."""
    return torch.stack([field.get(name) for field in fields]).to(device, non_blocking=True)


def pixel_fields(sample: PoseDataSample, level: int | None) -> Any:
    """Return a sample's pixel data, of one of several encoders, or an empty dict."""
    if 'gt_fields' not in sample:
        return {}
    return sample.gt_fields if level is None else sample.gt_fields[level]


def carried_by_all(codec: str, holders: Sequence[Container[str]], name: str) -> bool:
    """Return whether all samples of a batch carry an input.

    Raises:
        KeyError: If some do and others do not.
    """
    number = sum(name in holder for holder in holders)
    if number not in (0, len(holders)):
        raise KeyError(
            f'{codec}: only {number} of {len(holders)} samples of the batch carry {name}. Let a '
            'transform of the training pipeline make it for all or for none of them.'
        )
    return number > 0
