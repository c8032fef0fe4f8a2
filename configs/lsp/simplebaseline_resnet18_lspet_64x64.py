# SimpleBaseline-ResNet-18 on LSPET with a short budget, to compare with
# frsbn_*_resnet18_lspet_64x64.py. Its Gaussians are as wide as theirs, 4 input pixels.
_base_ = ['../_base_/default_runtime.py', '../_base_/lspet_64x64.py']

codec = dict(type='MSRAHeatmap', input_size=_base_.input_size, heatmap_size=(16, 16), sigma=1)
train_pipeline = [
    *_base_.augmentation,
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(
    head=dict(
        type='HeatmapHead',
        in_channels=512,
        out_channels=14,
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=16 * 16),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)
train_cfg = dict(max_epochs=3, val_interval=3)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1))
