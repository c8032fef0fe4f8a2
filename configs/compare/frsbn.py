# FR-SBN, Table 1, row "FR-SBN+GCB+SA-MFCD": the whole network.
_base_ = ['./frsbn_plain.py']
context = dict(type='GlobalContextBlock', ratio=1 / 4)

model = dict(
    backbone=dict(type='ContextResNet', context=context, out_indices=(0, 1, 2, 3)),
    neck=dict(type='SAMFCD', in_channels=(32, 64, 128), out_channels=16),
    head=dict(
        context=context,
        in_channels=(16, 16, 16, 256),
        lateral_indices=(None, 0, 1, 2, None),
    ),
)
