# The same with global context blocks and SA-MFCD: the whole network.
_base_ = ['./frsbn_gcb_resnet18_lspet_64x64.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='ContextResNet',
        depth=18,
        context=_base_.context,
        out_indices=(0, 1, 2, 3),
    ),
    neck=dict(type='SAMFCD', in_channels=(64, 128, 256), out_channels=32),
    head=dict(in_channels=(32, 32, 32, 512), lateral_indices=(None, 0, 1, 2, None)),
)
