# SimpleBaseline's quarter-resolution heatmaps on LSP at 256x256.
_base_ = ['./topdown_augmentation.py', './lsp.py', './shear.py']

codec = dict(type='MSRAHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=2)
train_pipeline = [
    *_base_.augmentation,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    _base_.shear,
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(_base_.lsp_train, pipeline=train_pipeline),
            dict(_base_.lspet_train, pipeline=train_pipeline),
        ]
    )
)
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
    backbone=dict(type='ResNet'),
    head=dict(
        type='HeatmapHead',
        in_channels=2048,
        out_channels=14,
        # summed over the cells: gradients of a mean are so small that Adam's epsilon dominates
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=64 * 64),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)
