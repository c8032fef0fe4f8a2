# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Data sets of people; mmpose's inferencer finds its person detector by this folder's name."""

from .checked_coco import CheckedCocoDataset
from .lsp import LspDataset
from .posetrack18 import IgnoreRegionPoseTrack18Dataset

__all__ = ['CheckedCocoDataset', 'IgnoreRegionPoseTrack18Dataset', 'LspDataset']
