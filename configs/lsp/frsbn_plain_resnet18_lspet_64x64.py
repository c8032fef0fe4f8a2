# FR-SBN-ResNet-18 on LSPET in a short budget: two more decoders only.
_base_ = ['../_base_/lspet_64x64.py']

codec = dict(
    type='FullResolutionHeatmap', input_size=_base_.input_size, sigma=4, draw_on_device=True
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
        in_channels=512,
        out_channels=14,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, shift_heatmap=False),
)
