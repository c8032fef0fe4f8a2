# CLNet-Hourglass: eight stacks, a head at every stage, the last stack stops at stride 16. From
# scratch with RMSprop at 2.5e-4, divided once by 5, as Newell et al. do; they don't say for how
# many epochs: 140 here, as CLNet-ResNet.
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
