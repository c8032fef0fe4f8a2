# Composite localization, Table 1: 74.9 AP on COCO val2017 in the paper.
_base_ = [
    './_base_/schedule_140e.py',
    './_base_/clnet_resnet.py',
    './_base_/clnet_coco_384x288.py',
]

model = dict(
    backbone=dict(
        depth=152,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet152'),
    ),
    head=dict(decoder=_base_.codec),
)
