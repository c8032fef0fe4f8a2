# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .composite_localization_head import CompositeLocalizationHead, StackedCompositeLocalizationHead

__all__ = [
    'CompositeLocalizationHead',
    'StackedCompositeLocalizationHead',
]
