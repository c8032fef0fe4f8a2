# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Training from crops of people that ``mmpose-ext pack`` prepared."""

from .reach import Reach, reach_of, surroundings
from .reader import LoadPackedPerson, PackedImage, PackReader, packable, use_pack
from .records import Crop, ImageState, Meta, PackError, default_path

__all__ = [
    'Crop',
    'ImageState',
    'LoadPackedPerson',
    'Meta',
    'PackError',
    'PackReader',
    'PackedImage',
    'Reach',
    'default_path',
    'packable',
    'reach_of',
    'surroundings',
    'use_pack',
]
