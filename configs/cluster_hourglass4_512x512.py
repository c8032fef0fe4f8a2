# Cluster-wise network with in- and cross-branch aggregation: the last row of Table 1.
_base_ = ['./_base_/coco_bottomup.py', './_base_/cluster_hourglass.py']

train_dataloader = dict(
    batch_size=8, sampler=_base_.train_sampler, dataset=dict(pipeline=_base_.train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))
