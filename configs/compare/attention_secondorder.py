# Attention module, Table IV, row "+ CBAM with 2nd order pooling".
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.heatmap_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.heatmap_pipeline))
cbam = dict(type='SecondOrderCBAM', covariance_channels=32)
model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=cbam)]),
    head=_base_.heatmap_head,
    test_cfg=_base_.heatmap_test_cfg,
)
