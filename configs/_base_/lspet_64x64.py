# The LSP extended comparison at 64x64, a quarter of the work of 128x128.
_base_ = ['./lspet_128x128.py']
input_size = (64, 64)

augmentation = [
    *_base_.augmentation[:-1],
    dict(type='TopdownAffine', input_size=input_size),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=3, val_interval=3)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=140, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=0, T_max=3, by_epoch=True, convert_to_iter_based=True),
]
