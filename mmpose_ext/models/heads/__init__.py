# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .cluster_tag_head import ClusterTagHead
from .composite_localization_head import CompositeLocalizationHead, StackedCompositeLocalizationHead
from .disk_offset_head import DiskOffsetHead
from .full_resolution_head import FullResolutionHead
from .stacked_heatmap_head import StackedHeatmapHead

__all__ = [
    'ClusterTagHead',
    'CompositeLocalizationHead',
    'StackedCompositeLocalizationHead',
    'DiskOffsetHead',
    'FullResolutionHead',
    'StackedHeatmapHead',
]
