# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""``--launcher pytorch`` on machines without an accelerator."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import utils
from mmengine.model import MMDistributedDataParallel


def install_cpu_launcher() -> None:
    """Let mmengine's torch launcher run on CPUs with gloo. Idempotent.

    mmengine first selects a CUDA device for each process, which fails without one. NCCL, the
    configs' backend, needs GPUs as well, and the runner gives that device to the wrapped model. If
    mmengine finds a device other than the CPU, nothing changes. In a config, list
    ``'mmpose_ext.cpu_launcher'`` under ``custom_imports``, which calls this function.
    """
    launch = utils._init_dist_pytorch
    if getattr(launch, 'runs_on_cpu', False):
        return

    @functools.wraps(launch)
    def init(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
        if get_device() != 'cpu' or init_backend != 'torch':
            launch(backend, init_backend=init_backend, **kwargs)
        else:
            torch.distributed.init_process_group(backend='gloo', **kwargs)
            MMDistributedDataParallel.__init__ = _without_devices(MMDistributedDataParallel)

    setattr(init, 'runs_on_cpu', True)  # noqa: B010  mypy knows no attributes of functions
    utils._init_dist_pytorch = init


def _without_devices(wrapper: Any) -> Callable:
    """Return the constructor of a distributed wrapper for modules on the CPU."""
    construct = wrapper.__init__

    @functools.wraps(construct)
    def init(
        self: Any, module: torch.nn.Module, *args: Any, device_ids: Any = None, **kwargs: Any
    ) -> None:
        construct(self, module, *args, **kwargs)

    return init
