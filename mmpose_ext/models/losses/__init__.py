# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .cluster_tag_loss import ClusterTagLoss
from .composite_localization_loss import (
    BinaryHeatmapOffsetLoss,
    CompositeLocalizationLoss,
    PeakOffsetLoss,
)
from .disk_offset_loss import DiskOffsetLoss

__all__ = [
    'BinaryHeatmapOffsetLoss',
    'ClusterTagLoss',
    'CompositeLocalizationLoss',
    'DiskOffsetLoss',
    'PeakOffsetLoss',
]
