# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Data sets of people; from a folder of this name mmpose's inferencer takes its person detector."""

from .checked_coco import CheckedCocoDataset
from .lsp import LspDataset
from .posetrack18 import IgnoreRegionPoseTrack18Dataset

__all__ = ['CheckedCocoDataset', 'IgnoreRegionPoseTrack18Dataset', 'LspDataset']
