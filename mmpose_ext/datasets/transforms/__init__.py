# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .color_jitter import ColorJitter
from .person_masks import PersonMasks

__all__ = ['ColorJitter', 'PersonMasks']
