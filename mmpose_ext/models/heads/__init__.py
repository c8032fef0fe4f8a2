# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .composite_localization_head import CompositeLocalizationHead, StackedCompositeLocalizationHead
from .disk_offset_head import DiskOffsetHead
from .full_resolution_head import FullResolutionHead

__all__ = [
    'CompositeLocalizationHead',
    'StackedCompositeLocalizationHead',
    'DiskOffsetHead',
    'FullResolutionHead',
]
