# Table 5, stride 4 (92.2 PCK@0.2 in the paper): two of SimpleBaseline's deconvolutions after the
# third stage and a head of 512 channels, the structure found nearest to the paper's 16.8 M.
_base_ = ['../clnet_resnet50_lsp_256x256.py']

codec = dict(
    type='CompositeLocalization',
    input_size=(256, 256),
    stride=4,
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
    head=dict(
        channels=512,
        deconv_out_channels=(256, 256),
        decoder=codec,
    )
)
