# FR-SBN, Table 1, row "FR-SBN+GCB+skip". C4 has the size of C5 here, so it has no decoder.
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.full_resolution_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.full_resolution_pipeline))
model = dict(
    backbone=dict(
        type='PluginResNet', plugins=[dict(cfg=_base_.context)], out_indices=(0, 1, 2, 3)
    ),
    head=dict(
        _base_.full_resolution_head,
        context=_base_.context,
        in_channels=(16, 32, 64, 128),
        lateral_indices=(1, 0, None, None),
    ),
    test_cfg=_base_.full_resolution_test_cfg,
)
