# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .labeling import label_small_people

__all__ = ['label_small_people']
