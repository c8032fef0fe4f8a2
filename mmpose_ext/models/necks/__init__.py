# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .cluster_branches import ClusterBranches
from .sa_mfcd import SAMFCD

__all__ = [
    'ClusterBranches',
    'SAMFCD',
]
