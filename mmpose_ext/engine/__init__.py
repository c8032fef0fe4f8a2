# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
from mmpose_ext.utils.atomic_files import AtomicLocalBackend, write_atomically

from .batch_size_hook import BatchSizeHook
from .checkpoint_loading import (
    install_safe_loading,
    load_checkpoint_safely,
    safely_loading,
)
from .checkpoint_match_hook import CheckpointMatchHook, match_checkpoint
from .cpu_launcher import install_cpu_launcher
from .deferred_log import DeferredRuntimeInfoHook
from .epoch_seed_hook import EpochSeedHook
from .errors import (
    CheckpointError,
    CheckpointMismatchError,
    UnloadableCheckpointError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
)
from .fast_batches import FastPoseDataPreprocessor
from .fast_data_hook import FastData, FastDataHook
from .fast_training_hook import FastTraining, FastTrainingHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .sample_seeds import SampleSeeds, seed_everything
from .validate_data_hook import ValidateDataHook

__all__ = [
    'AtomicLocalBackend',
    'BatchSizeHook',
    'CheckpointError',
    'CheckpointMatchHook',
    'CheckpointMismatchError',
    'DeferredRuntimeInfoHook',
    'EpochSeedHook',
    'FastData',
    'FastDataHook',
    'FastPoseDataPreprocessor',
    'FastTraining',
    'FastTrainingHook',
    'SafeCheckpointHook',
    'SampleSeeds',
    'UnloadableCheckpointError',
    'UnreadableCheckpointError',
    'UnsafeCheckpointError',
    'ValidateDataHook',
    'install_cpu_launcher',
    'install_safe_loading',
    'load_checkpoint_safely',
    'match_checkpoint',
    'safely_loading',
    'seed_everything',
    'write_atomically',
]
