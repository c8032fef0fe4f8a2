# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .detection import Detections, detect

__all__ = ['Detections', 'detect']
