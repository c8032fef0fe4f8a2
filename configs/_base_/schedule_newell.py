# Newell et al. (the stacked hourglass): RMSprop at 2.5e-4, divided once by 5, and batches of 6. The
# augmentation is that of their public code: a rotation of clip(30 n, -60, 60) degrees for 40 % of
# the samples and a scale of 2^clip(0.25 n, -0.5, 0.5). They train until the validation accuracy
# stops rising (their code's limit is 100 epochs of 8000 steps); here it is 140 epochs, as for
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
        rotate_prob=0.4,
        log_scale=True,
    ),
]
