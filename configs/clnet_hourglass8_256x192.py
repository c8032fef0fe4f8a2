# Composite localization, Table 1: 75.1 AP on COCO val2017 in the paper.
_base_ = [
    './_base_/schedule_newell.py',
    './_base_/clnet_hourglass.py',
    './_base_/clnet_coco_256x192.py',
]

model = dict(head=dict(decoder=_base_.codec))
train_pipeline = [*_base_.newell_augmentation, *_base_.train_pipeline[len(_base_.augmentation) :]]
train_dataloader = dict(batch_size=6, dataset=dict(pipeline=train_pipeline))
