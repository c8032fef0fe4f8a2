# `make demo-strongpose`: StrongPose on a ResNet-18 of half the width, on synthetic people, from
# scratch, small enough for two CPU cores.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/synthetic_bottomup.py',
    '../_base_/bottomup_pack.py',
]

codec = dict(
    type='DiskOffset',
    input_size=(193, 193),
    map_size=(25, 25),
    radius=12,
    draw_on_device=True,
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='BottomupRandomAffine',
        input_size=codec['input_size'],
        shift_factor=0.05,
        scale_factor=(0.9, 1.1),
        scale_type='long',
        rotate_prob=0.0,
        distribution='uniform',
    ),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='PersonMasks', map_size=codec['map_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='BottomupResize', input_size=codec['input_size'], size_factor=1, resize_mode='fit'),
    _base_.pack_inputs,
]
data_root = 'build/demo-strongpose/data/'
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/person_keypoints_val.json')
test_evaluator = val_evaluator

model = dict(
    type='MultiScaleBottomupEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='DilatedResNet',
        depth=18,
        stem_channels=32,
        base_channels=32,
        num_stages=3,
        train_stride=16,
        test_stride=8,
        norm_eval=False,  # False, because the network starts from scratch
    ),
    head=dict(
        type='DiskOffsetHead',
        in_channels=128,
        intermediate_channels=128,
        offset_unit=12,
        loss=dict(type='DiskOffsetLoss'),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True),
)

train_cfg = dict(max_epochs=4, val_interval=1)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.01), clip_grad=dict(max_norm=10)
)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=100, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=0, T_max=4, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(
    checkpoint=dict(interval=1, save_best='coco/AP', rule='greater'), logger=dict(interval=20)
)
custom_hooks = [
    *_base_.custom_hooks,
    # annealed, because a short run must forget its random initial weights
    dict(type='EMAHook', ema_type='MomentumAnnealingEMA', momentum=2e-3, gamma=20, priority=49),
]
