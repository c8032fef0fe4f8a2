# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Five papers on pose estimation as registered components of MMPose 1.x.

Importing this package registers its components in mmpose's registries and changes nothing else. In
a config, write ``custom_imports = dict(imports=['mmpose_ext'])``. Five modules do more, for the
whole process, and only if you import them: :mod:`mmpose_ext.safe_loading`,
:mod:`mmpose_ext.cpu_launcher`, :mod:`mmpose_ext.checked_coco` and :mod:`mmpose_ext.quiet` change
mmengine or mmpose, and :mod:`mmpose_ext.utils.mmdet_import` imports mmdet, which registers mmdet's
components.
"""

from .requirements import check_requirements, explained_imports
from .version import __version__

check_requirements()

with explained_imports():
    from . import codecs, datasets, engine, evaluation, models, visualization

__all__ = [
    '__version__',
    'codecs',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'visualization',
]
