# FR-SBN, Table 1, row "FR-SBN": two more decoders only.
_base_ = ['../_base_/lspet_compare.py']

codec = dict(
    type='FullResolutionHeatmap', input_size=_base_.input_size, sigma=8, draw_on_device=True
)
train_pipeline = [
    *_base_.augmentation,
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    head=dict(
        type='FullResolutionHead',
        in_channels=256,
        out_channels=14,
        deconv_out_channels=(128, 128, 128, 64, 16),
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=128 * 128),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, shift_heatmap=False),
)
