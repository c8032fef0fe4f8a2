# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .codec import ClusterTag

__all__ = ['ClusterTag']
