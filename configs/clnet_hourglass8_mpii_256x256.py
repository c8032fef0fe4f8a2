# Composite localization, Table 2: 91.9 PCKh@0.5 on MPII test in the paper.
_base_ = [
    './_base_/schedule_newell.py',
    './_base_/clnet_hourglass.py',
    './_base_/clnet_mpii_256x256.py',
]

model = dict(head=dict(out_channels=16, decoder=_base_.codec))
default_hooks = dict(checkpoint=dict(save_best='PCK'))
train_pipeline = [*_base_.newell_augmentation, *_base_.train_pipeline[len(_base_.augmentation) :]]
train_dataloader = dict(batch_size=6, dataset=dict(pipeline=train_pipeline))
