# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Import this module to make mmengine load only weights from checkpoints, in the whole process.

In a config, write ``custom_imports = dict(imports=['mmpose_ext', 'mmpose_ext.safe_loading'])``. For
a part of a Python program, use :func:`mmpose_ext.engine.safely_loading`.
"""

from mmpose_ext.engine.checkpoint_loading import install_safe_loading

install_safe_loading()
