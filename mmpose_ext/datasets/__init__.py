# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .body import CheckedCocoDataset, LspDataset
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
    'LoadTurboJpegImage',
    'LspDataset',
    'PersonMasks',
    'RandomShear',
    'validate',
]
