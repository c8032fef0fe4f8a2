# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .body import CheckedCocoDataset, IgnoreRegionPoseTrack18Dataset, LspDataset
from .subset_sampler import SubsetSampler
from .transforms import (
    ClippedNormalBBoxTransform,
    ColorJitter,
    LoadTurboJpegImage,
    PersonMasks,
    RandomShear,
)
from .validation import DataError, validate

__all__ = [
    'CheckedCocoDataset',
    'ClippedNormalBBoxTransform',
    'ColorJitter',
    'DataError',
    'IgnoreRegionPoseTrack18Dataset',
    'LoadTurboJpegImage',
    'LspDataset',
    'PersonMasks',
    'RandomShear',
    'SubsetSampler',
    'validate',
]
