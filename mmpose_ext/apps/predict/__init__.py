# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from mmpose_ext.apps.shared.inputs import Failure

from .pose_inferencer import PoseInferencer
from .prediction import Predictions, predict
from .settings import BoxSource, Drawing

__all__ = ['BoxSource', 'Drawing', 'Failure', 'PoseInferencer', 'Predictions', 'predict']
