# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Five papers on pose estimation as registered components of MMPose 1.x.

Importing this package registers everything under mmpose's registries and makes mmengine load
checkpoints safely (see :mod:`mmpose_ext.engine`). In a config:
``custom_imports = dict(imports=['mmpose_ext'])``.
"""

from .requirements import check_requirements
from .version import __version__

check_requirements()

from . import codecs, datasets, engine, evaluation, models, visualization  # noqa: E402

__all__ = [
    '__version__',
    'codecs',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'visualization',
]
