# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .multi_scale_bottomup import MultiScaleBottomupEstimator

__all__ = ['MultiScaleBottomupEstimator']
