# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Importing this module makes mmengine load checkpoints with weights only, in the whole process.

In a config: ``custom_imports = dict(imports=['mmpose_ext', 'mmpose_ext.safe_loading'])``.
For a part of a Python program: :func:`mmpose_ext.engine.safely_loading`.
"""

from mmpose_ext.engine.checkpoint_loading import install_safe_loading

install_safe_loading()
