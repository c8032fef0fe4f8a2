# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .checked_coco_metric import CheckedCocoMetric
from .torso_pck import TorsoPCK

__all__ = ['CheckedCocoMetric', 'TorsoPCK']
