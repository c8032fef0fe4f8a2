# Attention module, Table IV, row "ours".
_base_ = ['./simplebaseline.py']

model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=dict(type='SecondOrderNonLocal'))])
)
