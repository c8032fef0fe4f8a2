# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .clipped_normal_bbox import ClippedNormalBBoxTransform
from .color_jitter import ColorJitter
from .person_masks import PersonMasks
from .random_shear import RandomShear
from .turbojpeg_image import LoadTurboJpegImage

__all__ = [
    'ClippedNormalBBoxTransform',
    'ColorJitter',
    'LoadTurboJpegImage',
    'PersonMasks',
    'RandomShear',
]
