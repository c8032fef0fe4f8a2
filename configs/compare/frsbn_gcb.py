# FR-SBN, Table 1, row "FR-SBN+GCB".
_base_ = ['./frsbn_plain.py']
context = dict(type='GlobalContextBlock', ratio=1 / 4)

model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=context)]), head=dict(context=context)
)
