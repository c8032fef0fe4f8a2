# FR-SBN, Table 1, row "FR-SBN".
_base_ = ['../_base_/lspet_compare.py']

codec = _base_.full_resolution_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.full_resolution_pipeline))
model = dict(head=_base_.full_resolution_head, test_cfg=_base_.full_resolution_test_cfg)
