# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Data sets of people; from a folder of this name mmpose's inferencer takes its person detector."""

from .checked_coco import CheckedCocoDataset
from .lsp import LspDataset

__all__ = ['CheckedCocoDataset', 'LspDataset']
