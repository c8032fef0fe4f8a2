# SimpleBaseline: the baseline of all rows.
_base_ = ['../_base_/lspet_compare.py']

codec = dict(type='MSRAHeatmap', input_size=_base_.input_size, heatmap_size=(32, 32), sigma=2)
train_pipeline = [
    *_base_.augmentation,
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    head=dict(
        type='HeatmapHead',
        in_channels=256,
        out_channels=14,
        deconv_out_channels=(128, 128, 128),
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=32 * 32),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)
