# FR-SBN-ResNet-18 on LSPET with a short budget: only two more decoders.
_base_ = ['../_base_/default_runtime.py', '../_base_/lspet_64x64.py']

codec = _base_.full_resolution_codec
train_dataloader = dict(dataset=dict(pipeline=_base_.full_resolution_pipeline))
model = dict(head=_base_.full_resolution_head, test_cfg=_base_.full_resolution_test_cfg)
train_cfg = dict(max_epochs=3, val_interval=3)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1))
