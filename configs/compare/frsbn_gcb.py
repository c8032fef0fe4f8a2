# FR-SBN, Table 1, row "FR-SBN+GCB".
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.full_resolution_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.full_resolution_pipeline))
model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=_base_.context)]),
    head=dict(_base_.full_resolution_head, context=_base_.context),
    test_cfg=_base_.full_resolution_test_cfg,
)
