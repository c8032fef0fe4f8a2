# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Import MMPose without the warnings that users cannot act on.

MMPose imports mmdet, and onedl-mmdetection prints "Could not import OneDL" each time; MMPose warns
that it finds its own ``configs/_base_/datasets/coco.py`` where it is installed. The configs of this
project name this module in ``custom_imports``. All other messages still appear.
"""

from .utils.quiet import ignore_metainfo_note, quiet_imports

with quiet_imports():
    import mmpose.visualization  # noqa: F401  (imports mmpose.apis and, from there, mmdet)
ignore_metainfo_note()
