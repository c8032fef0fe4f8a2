# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Faster sample preparation, enabled by a config's ``fast_data``."""

from .affines import FastBottomupRandomAffine, FastTopdownAffine
from .batched_pipeline import BatchedPipeline, prepare_in_batches
from .collate import SampleBatch, collate_samples
from .deferred_image import DeferredImage, EncodedImage
from .draws import truncated_normal
from .heatmaps import FastMSRAHeatmap, FastUDPHeatmap
from .pack_inputs import FastPackPoseInputs
from .pipeline import datasets_in, plain_metainfo, speed_up_dataset
from .transforms import (
    FastLoadImage,
    FastRandomBBoxTransform,
    FastRandomFlip,
    FastRandomHalfBody,
)

__all__ = [
    'BatchedPipeline',
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
    'collate_samples',
    'datasets_in',
    'plain_metainfo',
    'prepare_in_batches',
    'speed_up_dataset',
    'truncated_normal',
]
