# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .composite_localization_loss import (
    BinaryHeatmapOffsetLoss,
    CompositeLocalizationLoss,
    PeakOffsetLoss,
)

__all__ = [
    'BinaryHeatmapOffsetLoss',
    'CompositeLocalizationLoss',
    'PeakOffsetLoss',
]
