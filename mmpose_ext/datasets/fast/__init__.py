# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster sample preparation, enabled by a config's ``fast_data``."""

from .affines import FastBottomupRandomAffine, FastTopdownAffine
from .batched_pipeline import BatchedPipeline, prepare_in_batches
from .bottomup_batches import BottomupBatches
from .collate import SampleBatch, collate_samples
from .deferred_image import DeferredImage
from .draws import truncated_normal
from .encoded_image import EncodedImage
from .heatmaps import FastMSRAHeatmap, FastUDPHeatmap
from .pack_inputs import FastPackPoseInputs
from .pipeline import datasets_in, parts_of, plain_metainfo, speed_up_dataset, transforms_of
from .source_images import SourceImages
from .transforms import (
    FastLoadImage,
    FastRandomBBoxTransform,
    FastRandomFlip,
    FastRandomHalfBody,
)

__all__ = [
    'BatchedPipeline',
    'BottomupBatches',
    'DeferredImage',
    'EncodedImage',
    'FastBottomupRandomAffine',
    'FastLoadImage',
    'FastMSRAHeatmap',
    'FastPackPoseInputs',
    'FastRandomBBoxTransform',
    'FastRandomFlip',
    'FastRandomHalfBody',
    'FastTopdownAffine',
    'FastUDPHeatmap',
    'SampleBatch',
    'SourceImages',
    'collate_samples',
    'datasets_in',
    'parts_of',
    'plain_metainfo',
    'prepare_in_batches',
    'speed_up_dataset',
    'transforms_of',
    'truncated_normal',
]
