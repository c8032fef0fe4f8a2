# Newell et al. (the stacked hourglass): RMSprop at 2.5e-4, divided once by 5, batches of 6, rotation by
# 30 degrees and scale 0.75 to 1.25. They do not give the number of epochs; here it is 140, as for
# CLNet-ResNet.
_base_ = ['./default_runtime.py']

train_cfg = dict(max_epochs=140, val_interval=10)
optim_wrapper = dict(optimizer=dict(type='RMSprop', lr=2.5e-4))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type='MultiStepLR', begin=0, end=140, milestones=[90], gamma=0.2, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=6)
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))
newell_augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='ClippedNormalBBoxTransform',
        scale_std=0.25,
        rotate_std=30,
        rotate_prob=0.6,
    ),
]
