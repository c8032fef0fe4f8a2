# Composite localization, Table 1: 71.2 AP on COCO val2017 in the paper.
_base_ = [
    './_base_/schedule_140e.py',
    './_base_/clnet_resnet.py',
    './_base_/clnet_coco_256x192.py',
]

model = dict(head=dict(decoder=_base_.codec))
