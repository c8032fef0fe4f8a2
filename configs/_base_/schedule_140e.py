# Adam 1e-3, divided by 10 at epochs 90 and 120 of 140: Section IV-A of the attention paper,
# Section 4.1 of the composite-localization and full-resolution papers.
_base_ = ['./default_runtime.py']

train_cfg = dict(max_epochs=140, val_interval=10)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False),  # warm-up
    dict(type='MultiStepLR', begin=0, end=140, milestones=[90, 120], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=128)  # BatchSizeHook warns if a step uses another number
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))
