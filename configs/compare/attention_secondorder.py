# Attention module, Table IV, row "+ CBAM with 2nd order pooling".
_base_ = ['./simplebaseline.py']

model = dict(backbone=dict(type='PluginResNet', plugins=[dict(cfg=dict(type='SecondOrderCBAM'))]))
