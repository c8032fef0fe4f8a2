# mmpose's SimpleBaseline-ResNet-18 on LSPET with a short budget, to compare with
# clnet_resnet18_lspet_128x128.py.
_base_ = ['../_base_/default_runtime.py', '../_base_/lspet_128x128.py']

codec = dict(type='MSRAHeatmap', input_size=_base_.input_size, heatmap_size=(32, 32), sigma=2)
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
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=32 * 32),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)
train_cfg = dict(max_epochs=5, val_interval=5)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1))
