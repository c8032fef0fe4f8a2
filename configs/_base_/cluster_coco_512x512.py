# The cluster-wise network with in- and cross-branch aggregation on COCO.
_base_ = ['./bottomup_pack.py', './coco_bottomup.py', './cluster_hourglass.py']

val_pipeline = [
    *_base_.load_and_resize,
    dict(type='PackPoseInputs', meta_keys=_base_.shared_meta_keys),
]
train_dataloader = dict(
    batch_size=8,
    # 8 * 1000: an epoch of 1000 steps, see schedule_cluster.py
    sampler=dict(_delete_=True, type='SubsetSampler', samples=8 * 1000),
    dataset=dict(pipeline=_base_.train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
