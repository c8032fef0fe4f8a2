# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Import this module to run mmengine's ``--launcher pytorch`` on machines without a GPU.

In a config, write ``custom_imports = dict(imports=['mmpose_ext', 'mmpose_ext.cpu_launcher'])``.
"""

from mmpose_ext.engine.cpu_launcher import install_cpu_launcher

install_cpu_launcher()
