# CLNet with offsets trained in all cells that decoding may read.
_base_ = ['../_base_/lspet_compare.py']

codec = dict(
    type='CompositeLocalization',
    input_size=_base_.input_size,
    stride=8,
    sigma=6,
    tau=0.6,
    draw_on_device=True,
)
train_pipeline = [
    *_base_.augmentation,
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    backbone=dict(num_stages=3, strides=(1, 2, 1), dilations=(1, 1, 1), out_indices=(2,)),
    head=dict(
        type='CompositeLocalizationHead',
        in_channels=64,
        channels=256,
        mid_channels=64,
        out_channels=14,
        loss=dict(type='CompositeLocalizationLoss', heatmap_reduction='sum', region='asked'),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True),
)
