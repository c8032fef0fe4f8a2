# CLNet's codec and pipelines on LSP at 256x256.
_base_ = ['./lsp.py']

codec = dict(
    type='CompositeLocalization',
    input_size=(256, 256),
    stride=16,
    sigma=16,
    tau=0.6,
    draw_on_device=True,
)
target_pipeline = [
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='RandomShear'),  # Section 4.1 names shearing, without an amount
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_pipeline = [*_base_.augmentation, *target_pipeline]
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
