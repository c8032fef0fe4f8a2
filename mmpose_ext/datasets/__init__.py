# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .body import CheckedCocoDataset, IgnoreRegionPoseTrack18Dataset, LspDataset
from .fast import (
    FastBottomupRandomAffine,
    FastLoadImage,
    FastMSRAHeatmap,
    FastPackPoseInputs,
    FastRandomBBoxTransform,
    FastRandomFlip,
    FastRandomHalfBody,
    FastTopdownAffine,
    FastUDPHeatmap,
    collate_samples,
    speed_up_dataset,
)
from .pack import LoadPackedPerson, PackError
from .subset_sampler import SubsetSampler
from .transforms import (
    ClippedNormalBBoxTransform,
    ColorJitter,
    LoadTurboJpegImage,
    PersonMasks,
    RandomShear,
)
from .validation import DataError, Finding, Report, validate

__all__ = [
    'CheckedCocoDataset',
    'ClippedNormalBBoxTransform',
    'ColorJitter',
    'DataError',
    'FastBottomupRandomAffine',
    'FastLoadImage',
    'FastMSRAHeatmap',
    'FastPackPoseInputs',
    'FastRandomBBoxTransform',
    'FastRandomFlip',
    'FastRandomHalfBody',
    'FastTopdownAffine',
    'FastUDPHeatmap',
    'Finding',
    'IgnoreRegionPoseTrack18Dataset',
    'LoadPackedPerson',
    'LoadTurboJpegImage',
    'LspDataset',
    'PackError',
    'PersonMasks',
    'RandomShear',
    'Report',
    'SubsetSampler',
    'collate_samples',
    'speed_up_dataset',
    'validate',
]
