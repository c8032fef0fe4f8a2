# Attention module, Table IV, row "+ CBAM".
_base_ = ['./simplebaseline.py']

model = dict(backbone=dict(type='PluginResNet', plugins=[dict(cfg=dict(type='CBAM'))]))
