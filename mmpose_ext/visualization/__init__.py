# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Pictures without a display: targets and predicted maps, training curves, worst cases.

There is one painter per codec, in the module with the codec's name; :func:`paint` finds it.
"""

from . import (
    cluster_tag,
    composite_localization,
    disk_offset,
    full_resolution_heatmap,
    heatmap,
)
from .painters import Scene, paint, painter_of, paints

__all__ = [
    'Scene',
    'cluster_tag',
    'composite_localization',
    'disk_offset',
    'full_resolution_heatmap',
    'heatmap',
    'paint',
    'painter_of',
    'paints',
]
