# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Code common to the inferencers of mmpose and mmdet."""

from __future__ import annotations

from collections.abc import Callable

from mmengine.config import Config
from mmengine.dataset import pseudo_collate

#: The class of people in detectors, by default.
PERSON = 'person'


class PseudoCollateMixin:
    """Use mmengine's default collate function without a registry.

    mmengine's inferencers look it up in a registry of functions, which neither mmpose nor mmdet
    has, and warn about it.
    """

    def _init_collate(self, cfg: Config) -> Callable:
        if 'collate_fn' in cfg.test_dataloader:
            return super()._init_collate(cfg)  # type: ignore[misc]  # mmengine's
        return pseudo_collate
