# The same with global context blocks after C2 to C5 and three decoders.
_base_ = ['./frsbn_plain_resnet18_lspet_64x64.py']
context = dict(type='GlobalContextBlock', ratio=1 / 4)

model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=context)]),
    head=dict(context=context),
)
