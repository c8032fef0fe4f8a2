# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from .detection import Detections, detect
from .inputs import Failure
from .pose_inferencer import PoseInferencer
from .prediction import Predictions, predict

__all__ = [
    'Detections',
    'Failure',
    'PoseInferencer',
    'Predictions',
    'detect',
    'predict',
]
