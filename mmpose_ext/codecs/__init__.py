# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .base import BaseTorchCodec
from .cluster_tag import ClusterTag
from .composite_localization import CompositeLocalization
from .disk_offset import DiskOffset
from .full_resolution_heatmap import FullResolutionHeatmap

__all__ = [
    'BaseTorchCodec',
    'ClusterTag',
    'CompositeLocalization',
    'DiskOffset',
    'FullResolutionHeatmap',
]
