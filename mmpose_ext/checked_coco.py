# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Import this module to get one clear error for a faulty file from mmpose's own COCO classes.

mmengine builds data sets and metrics before any hook runs, so a hook cannot check their files
first. With this module, ``type='CocoDataset'`` in a config builds :class:`CheckedCocoDataset`, and
``type='CocoMetric'`` builds :class:`CheckedCocoMetric`. Samples and figures stay the same. In a
config, write ``custom_imports = dict(imports=['mmpose_ext', 'mmpose_ext.checked_coco'])``.
"""

from mmpose.registry import DATASETS, METRICS

from mmpose_ext.datasets import CheckedCocoDataset
from mmpose_ext.evaluation import CheckedCocoMetric

DATASETS.register_module(name='CocoDataset', module=CheckedCocoDataset, force=True)
METRICS.register_module(name='CocoMetric', module=CheckedCocoMetric, force=True)
