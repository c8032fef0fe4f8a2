# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .color_jitter import ColorJitter
from .person_masks import PersonMasks
from .turbojpeg_image import LoadTurboJpegImage

__all__ = ['ColorJitter', 'LoadTurboJpegImage', 'PersonMasks']
