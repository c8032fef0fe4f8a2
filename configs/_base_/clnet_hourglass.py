# CLNet-Hourglass: eight stacks, a head at every stage, the last stack stops at stride 16. "We follow
# the same hyper-parameters and settings in [9]" (Section 4.1), Newell et al.: from scratch, RMSprop
# at 2.5e-4, divided once by 5, batches of 6, rotation by 30 degrees and scale 0.75 to 1.25. They do
# not say for how many epochs: 140 here, as for CLNet-ResNet.
_base_ = ['./schedule_140e.py']

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='StackedHourglass', num_stacks=8, out_stride=16),
    head=dict(
        type='StackedCompositeLocalizationHead',
        in_channels=256,
        out_channels=17,
        feature_strides=(4, 4, 4, 4, 4, 4, 4, 16),
        loss=dict(type='CompositeLocalizationLoss', heatmap_weight=0.5, offset_weight=2.0),
    ),
    test_cfg=dict(flip_test=True),
)
optim_wrapper = dict(optimizer=dict(type='RMSprop', lr=2.5e-4))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type='MultiStepLR', begin=0, end=140, milestones=[90], gamma=0.2, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=6)
newell_augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='ClippedNormalBBoxTransform',
        scale_std=0.25,
        rotate_std=30,
        rotate_prob=0.6,
    ),
]
