# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from . import backbones, heads, layers, losses, necks, pose_estimators

__all__ = ['backbones', 'heads', 'layers', 'losses', 'necks', 'pose_estimators']
