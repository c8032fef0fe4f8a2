# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .checked_coco import CheckedCocoDataset
from .lsp import LspDataset
from .transforms import ColorJitter, LoadTurboJpegImage, PersonMasks
from .validation import DataError, validate

__all__ = [
    'CheckedCocoDataset',
    'ColorJitter',
    'DataError',
    'LoadTurboJpegImage',
    'LspDataset',
    'PersonMasks',
    'validate',
]
