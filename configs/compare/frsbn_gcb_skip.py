# FR-SBN, Table 1, row "FR-SBN+GCB+skip".
_base_ = ['./frsbn_plain.py']
context = dict(type='GlobalContextBlock', ratio=1 / 4)

model = dict(
    backbone=dict(type='PluginResNet', plugins=[dict(cfg=context)], out_indices=(0, 1, 2, 3)),
    head=dict(
        context=context,
        in_channels=(32, 64, 128, 256),
        lateral_indices=(2, 1, 0, None, None),
    ),
)
