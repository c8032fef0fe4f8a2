# CLNet's codec and pipelines on LSP at 256x256.
_base_ = ['./topdown_augmentation.py', './lsp.py', './clnet.py', './shear.py']

codec = dict(_base_.clnet_codec, input_size=(256, 256))
crop = dict(type='TopdownAffine', input_size=codec['input_size'])
pack = dict(type='PackPoseInputs')
target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [*_base_.augmentation, crop, _base_.shear, target, pack]
val_pipeline = [*_base_.load_person, crop, pack]
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
