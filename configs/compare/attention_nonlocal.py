# Attention module, Table IV, row "+ NL".
_base_ = ['./simplebaseline.py']

model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=dict(type='GaussianNonLocal2d'))])
)
