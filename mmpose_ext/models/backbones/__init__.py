# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .branched_hourglass import BranchedHourglass
from .context_resnet import ContextFeatures, ContextResNet
from .dilated_resnet import DilatedResNet
from .plugin_resnet import PluginResNet
from .stacked_hourglass import Hourglass, StackedHourglass

__all__ = [
    'BranchedHourglass',
    'Hourglass',
    'PluginResNet',
    'StackedHourglass',
    'ContextFeatures',
    'ContextResNet',
    'DilatedResNet',
]
