# Table 5, stride 32 (93.4 PCK@0.2 in the paper): all four stages and a head of 2048 channels without
# projection, the structure found nearest to the paper's 28.9 M.
_base_ = ['../clnet_resnet50_lsp_256x256.py']

codec = dict(
    type='CompositeLocalization',
    input_size=(256, 256),
    stride=32,
    sigma=16,
    tau=0.6,
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
model = dict(
    backbone=dict(num_stages=4, strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), out_indices=(3,)),
    head=dict(in_channels=2048, channels=2048, project=False, decoder=codec),
)
