# Table IV, row "+ NL": GaussianNonLocal2d alone after C2 to C5.
_base_ = ['../attention_resnet50_256x192.py']

model = dict(backbone=dict(plugins=[dict(cfg=dict(type='GaussianNonLocal2d'))]))
