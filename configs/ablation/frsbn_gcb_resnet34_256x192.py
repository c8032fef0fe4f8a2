# Table 1, row "FR-SBN+GCB": global context blocks after C2 to C5 and three decoders.
_base_ = ['../_base_/schedule_140e.py', '../_base_/full_resolution_256x192.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='PluginResNet',
        depth=34,
        plugins=[dict(cfg=_base_.context)],
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    neck=None,
    head=dict(in_channels=512, lateral_indices=None),
)
