# CLNet-ResNet-18 on LSPET with a short budget, versus simplebaseline_resnet18_lspet_128x128.py.
_base_ = ['../_base_/default_runtime.py', '../_base_/lspet_128x128.py']

codec = dict(
    type='CompositeLocalization',
    input_size=_base_.input_size,
    stride=16,
    sigma=16,
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
    backbone=dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)),
    head=dict(
        type='CompositeLocalizationHead',
        in_channels=256,
        out_channels=14,
        # squared error summed over the 8x8 cells; docs/composite-localization.md explains why
        loss=dict(type='CompositeLocalizationLoss', heatmap_reduction='sum'),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True),
)
train_cfg = dict(max_epochs=5, val_interval=5)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1))
