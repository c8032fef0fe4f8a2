# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The environment of a measurement: versions, device, threads."""

from __future__ import annotations

import os
import platform
from importlib import import_module
from pathlib import Path

import torch

PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmpose', 'mmpose_ext')


def describe_environment(device: str = 'cpu') -> dict[str, str]:
    """Return the device and its name, threads and cores, and versions of the packages."""
    facts = dict(
        device=device,
        device_name=device_name(device),
        threads=str(torch.get_num_threads()),
        cores=str(os.cpu_count()),
        platform=platform.platform(aliased=True, terse=True),
        python=platform.python_version(),
        cuda=str(torch.version.cuda or ''),
        cudnn_benchmark=str(torch.backends.cudnn.benchmark),
    )
    return {**facts, **{name: import_module(name).__version__ for name in PACKAGES}}


def device_name(device: str) -> str:
    """Return the GPU's or the processor's name."""
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_name(device)
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()
