# Table IV, row "+ CBAM": CBAM alone after C2 to C5.
_base_ = ['../attention_resnet50_256x192.py']

model = dict(backbone=dict(plugins=[dict(cfg=dict(type='CBAM'))]))
