# Composite localization, Table 1: 73.4 AP on COCO val2017 in the paper.
_base_ = [
    './_base_/schedule_140e.py',
    './_base_/clnet_resnet.py',
    './_base_/clnet_coco_384x288.py',
]

model = dict(head=dict(decoder=_base_.codec))
