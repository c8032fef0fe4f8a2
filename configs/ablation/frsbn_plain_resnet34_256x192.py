# Table 1, row "FR-SBN": two more decoders only.
_base_ = ['../_base_/schedule_140e.py', '../_base_/full_resolution_256x192.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=34,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    neck=None,
    head=dict(in_channels=512, lateral_indices=None, context=None),
)
