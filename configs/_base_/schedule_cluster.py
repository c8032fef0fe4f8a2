# The training of the cluster-wise network (Section 4.2): Adam 2e-4, 1e-5 from epoch 150 of 200 on;
# batches of 8. An epoch is 1000 steps ("1000 training steps and 10 evaluation steps are
# alternatively carried on"), as in the code of associative embedding. To train in passes over
# the data instead, add --cfg-options train_dataloader.sampler.samples=None.
_base_ = ['./default_runtime.py']

train_cfg = dict(max_epochs=200, val_interval=10)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=2e-4))
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=200, milestones=[150], gamma=0.05, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=8)  # scales the rate only with --auto-scale-lr
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))
