# FR-SBN, Table 1, row "FR-SBN+GCB+SA-MFCD".
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.full_resolution_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.full_resolution_pipeline))
model = dict(
    backbone=dict(type='ContextResNet', context=_base_.context, out_indices=(0, 1, 2, 3)),
    neck=dict(type='SAMFCD', in_channels=(16, 32, 64), out_channels=8, out_scales=(2, 4, 8)),
    head=dict(
        _base_.full_resolution_head,
        context=_base_.context,
        in_channels=(8, 8, 8, 128),
        lateral_indices=(0, 1, 2, None),
    ),
    test_cfg=_base_.full_resolution_test_cfg,
)
