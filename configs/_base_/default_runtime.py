# What every config shares: registration, hooks, log, visualizer.
custom_imports = dict(
    imports=[
        'mmpose_ext',  # registers the components
        'mmpose_ext.safe_loading',  # mmengine loads checkpoints with weights only
        'mmpose_ext.cpu_launcher',  # --launcher pytorch works without GPUs
        'mmpose_ext.checked_coco',  # one line on faulty files, also from mmpose's COCO classes
        'mmpose_ext.quiet',  # without warnings that users cannot act on
    ],
    allow_failed_imports=False,
)
default_scope = 'mmpose'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='SafeCheckpointHook', interval=10, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='PoseVisualizationHook', enable=False),
    checkpoint_match=dict(type='CheckpointMatchHook'),  # refuses checkpoints of another model
    epoch_seed=dict(type='EpochSeedHook'),  # a resumed run repeats the undisturbed one
    batch_size=dict(type='BatchSizeHook'),  # warns if the rate is for another batch size
    validate_data=dict(type='ValidateDataHook'),  # logs faults of the training data
    fast_training=dict(type='FastTrainingHook'),  # does nothing without configs/_base_/fast.py
    fast_data=dict(type='FastDataHook'),  # does nothing without configs/_base_/fast_data.py
)
custom_hooks = [dict(type='SyncBuffersHook')]

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
visualizer = dict(
    type='PoseLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True, num_digits=6)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)

train_cfg = dict(by_epoch=True)
val_cfg = dict()
test_cfg = dict()
