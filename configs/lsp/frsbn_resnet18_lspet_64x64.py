# The same with global context blocks and SA-MFCD: the whole network.
_base_ = ['../_base_/default_runtime.py', '../_base_/lspet_64x64.py']

codec = _base_.full_resolution_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.full_resolution_pipeline))
model = dict(
    backbone=dict(type='ContextResNet', context=_base_.context, out_indices=(0, 1, 2, 3)),
    neck=dict(type='SAMFCD', in_channels=(64, 128, 256), out_channels=32),
    head=dict(
        _base_.full_resolution_head,
        context=_base_.context,
        in_channels=(32, 32, 32, 512),
        lateral_indices=(None, 0, 1, 2, None),
    ),
    test_cfg=_base_.full_resolution_test_cfg,
)
train_cfg = dict(max_epochs=3, val_interval=3)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1))
