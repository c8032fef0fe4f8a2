# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .checked_coco import CheckedCocoDataset
from .coco_checks import DataError
from .lsp import LspDataset
from .transforms import PersonMasks

__all__ = ['CheckedCocoDataset', 'DataError', 'LspDataset', 'PersonMasks']
