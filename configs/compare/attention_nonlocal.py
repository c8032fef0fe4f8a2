# Attention module, Table IV, row "+ NL".
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.heatmap_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.heatmap_pipeline))
model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=dict(type='GaussianNonLocal2d'))]),
    head=_base_.heatmap_head,
    test_cfg=_base_.heatmap_test_cfg,
)
