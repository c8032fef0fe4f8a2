# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .sa_mfcd import SAMFCD

__all__ = [
    'SAMFCD',
]
