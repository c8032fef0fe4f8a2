# `make demo`: the attention module in a ResNet-18 of half the width, on synthetic people, small
# enough for two CPU cores in minutes.
_base_ = ['../_base_/default_runtime.py', '../_base_/synthetic_topdown.py']

codec = dict(type='UDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
train_pipeline = [
    *_base_.augmentation,
    dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='PluginResNet',
        depth=18,
        stem_channels=32,
        base_channels=32,
        plugins=[
            # a non-local product over C2's 768 positions would take half of the network's time
            dict(
                cfg=dict(type='SecondOrderCBAM', covariance_channels=32),
                stages=(True, False, False, False),
            ),
            dict(
                cfg=dict(type='SecondOrderNonLocal', cbam=dict(covariance_channels=32)),
                stages=(False, True, True, True),
            ),
        ],
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=256,
        out_channels=17,
        deconv_out_channels=(64, 64, 64),
        deconv_kernel_sizes=(4, 4, 4),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)

train_cfg = dict(max_epochs=9, val_interval=9)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=100, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=0, T_max=9, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(
    checkpoint=dict(interval=3, save_best='coco/AP', rule='greater'), logger=dict(interval=20)
)
