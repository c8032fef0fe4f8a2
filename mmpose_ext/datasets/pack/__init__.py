# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Training from crops of people that ``mmpose-ext pack`` prepared."""

from .errors import PackError
from .packed_image import LoadPackedPerson, PackedImage
from .reach import Reach, reach_of, surroundings
from .reader import PackReader
from .records import Crop, ImageState, Meta, default_path
from .use import differences, packable, use_pack

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
    'differences',
    'packable',
    'reach_of',
    'surroundings',
    'use_pack',
]
