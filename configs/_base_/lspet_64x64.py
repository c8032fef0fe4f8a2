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

param_scheduler = [
    dict(type='LinearLR', begin=0, end=140, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=0, T_max=3, by_epoch=True, convert_to_iter_based=True),
]

full_resolution_codec = dict(
    type='FullResolutionHeatmap', input_size=input_size, sigma=4, draw_on_device=True
)
full_resolution_pipeline = [
    *augmentation,
    dict(type='GenerateTarget', encoder=full_resolution_codec),
    dict(type='PackPoseInputs'),
]
full_resolution_head = dict(
    type='FullResolutionHead',
    in_channels=512,
    out_channels=14,
    loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=64 * 64),
    decoder=full_resolution_codec,
)
full_resolution_test_cfg = dict(flip_test=True, shift_heatmap=False)
context = dict(type='GlobalContextBlock', ratio=1 / 4)
