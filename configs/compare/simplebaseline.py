# SimpleBaseline: the baseline of all rows.
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.heatmap_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.heatmap_pipeline))
model = dict(head=_base_.heatmap_head, test_cfg=_base_.heatmap_test_cfg)
