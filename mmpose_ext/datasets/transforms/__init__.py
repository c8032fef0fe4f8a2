# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .person_masks import PersonMasks

__all__ = ['PersonMasks']
