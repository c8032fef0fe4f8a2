# StrongPose on COCO: 401x401, SGD with momentum 0.9 and a constant rate of 1e-3, batches of two,
# Polyak averaging (Section IV-B). The number of epochs is the paper's 5000 (10,000 steps each in
# the authors' code); with a constant rate you can end a run after any of them.
_base_ = ['./default_runtime.py', './coco_bottomup.py', './bottomup_pack.py']

codec = dict(
    type='DiskOffset',
    input_size=(401, 401),
    map_size=(401, 401),  # the targets have the input's size, as in the paper; less is cheaper
    radius=16,
    draw_on_device=True,
)
# The paper does not describe its augmentation; rotation and flips are those of the authors' code.
# Scales are drawn around the scale of testing: at the median, an image's longer side fits into the
# input.
train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='BottomupRandomAffine',
        input_size=codec['input_size'],
        scale_type='long',
        scale_factor=(0.5, 1.5),
        rotate_factor=30,
        shift_factor=0.1,
    ),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='PersonMasks', map_size=codec['map_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    # The longer side of an image fits into input_size, which can be any size of 16 n + 1 pixels.
    dict(type='BottomupResize', input_size=codec['input_size'], size_factor=1, resize_mode='fit'),
    _base_.pack_inputs,
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

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
        depth=101,
        train_stride=16,
        test_stride=8,
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
    head=dict(
        type='DiskOffsetHead',
        in_channels=2048,
        intermediate_channels=1024,
        loss=dict(type='DiskOffsetLoss'),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True),
)

train_cfg = dict(max_epochs=5000, val_interval=5)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=1e-3, momentum=0.9))
param_scheduler = []
auto_scale_lr = dict(base_batch_size=2)
default_hooks = dict(
    checkpoint=dict(interval=1, save_best='coco/AP', rule='greater'),
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=2e-4, priority=49),
]
