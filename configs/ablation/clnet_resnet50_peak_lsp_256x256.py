# Section 4.3, the first other loss (93.2 PCK@0.2 in the paper): squared error of the offsets at the
# heatmap's peak only, where decoding then asks them.
_base_ = ['../clnet_resnet50_lsp_256x256.py']

codec = dict(
    type='CompositeLocalization',
    input_size=(256, 256),
    stride=16,
    sigma=16,
    tau=0.6,
    decode_from='peak',
    draw_on_device=True,
)
train_pipeline = [
    *_base_.augmentation,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='RandomShear'),
    dict(type='GenerateTarget', encoder=codec),
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
model = dict(head=dict(loss=dict(type='PeakOffsetLoss'), decoder=codec))
