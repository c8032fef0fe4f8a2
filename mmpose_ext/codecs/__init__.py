# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .base import BaseTorchCodec

__all__ = ['BaseTorchCodec']
