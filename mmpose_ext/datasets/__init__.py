# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .body import CheckedCocoDataset, IgnoreRegionPoseTrack18Dataset, LspDataset
from .fast import (
    FastBottomupRandomAffine,
    FastLoadImage,
    FastPackPoseInputs,
    FastRandomBBoxTransform,
    FastRandomFlip,
    FastRandomHalfBody,
    FastTopdownAffine,
    speed_up_dataset,
)
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
    'FastBottomupRandomAffine',
    'FastLoadImage',
    'FastPackPoseInputs',
    'FastRandomBBoxTransform',
    'FastRandomFlip',
    'FastRandomHalfBody',
    'FastTopdownAffine',
    'LoadTurboJpegImage',
    'LspDataset',
    'PersonMasks',
    'RandomShear',
    'SubsetSampler',
    'speed_up_dataset',
    'validate',
]
