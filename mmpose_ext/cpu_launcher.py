# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Importing this module lets mmengine's ``--launcher pytorch`` run on machines without a GPU.

In a config: ``custom_imports = dict(imports=['mmpose_ext', 'mmpose_ext.cpu_launcher'])``.
"""

from mmpose_ext.engine.cpu_launcher import install_cpu_launcher

install_cpu_launcher()
