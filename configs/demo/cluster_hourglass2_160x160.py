# `make demo-cluster`: the cluster-wise network with two narrow stacks, on synthetic images of one
# to three people, small enough for two CPU cores in half an hour.
_base_ = [
    '../_base_/schedule_cluster.py',
    '../_base_/bottomup_pack.py',
    '../_base_/synthetic_bottomup.py',
    '../_base_/cluster_hourglass.py',
]

data_root = 'build/demo-cluster/data/'
codec = dict(
    type='ClusterTag',
    input_size=(160, 160),
    heatmap_size=(40, 40),
    clusters=17,
    sigma=2,
    delta=0.03,
    nms_kernel=3,  # on maps of 40x40 people's keypoints are close
    score_threshold=0.3,  # a small model's maps are not quite 0 between people
    draw_on_device=True,
)
# little more than flips, because the people differ enough
train_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='BottomupRandomAffine',
        input_size=codec['input_size'],
        shift_factor=0.05,
        scale_factor=(0.85, 1.15),
        rotate_factor=10.0,
    ),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='BottomupResize', input_size=codec['input_size']),
    dict(type='PackPoseInputs', meta_keys=_base_.shared_meta_keys),
]
train_dataloader = dict(
    batch_size=4, dataset=dict(data_root=data_root, pipeline=train_pipeline), drop_last=True
)
val_dataloader = dict(batch_size=16, dataset=dict(data_root=data_root, pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/person_keypoints_val.json')
test_evaluator = val_evaluator

sparse_clusters = (5, 17)
dense_clusters = (1, 3)
margin = 4.0
model = dict(
    backbone=dict(
        sparse_clusters=sparse_clusters,
        dense_clusters=dense_clusters,
        depth=3,
        channels=48,
        growth=48,
        block='residual',
        stem_channels=16,
        tag_scale=2 * margin,
        norm_cfg=dict(_delete_=True, type='GN', num_groups=8),  # for small batches
    ),
    head=dict(
        decoder=codec,
        sparse_clusters=sparse_clusters,
        dense_clusters=dense_clusters,
        # large offsets separate the tags of an image in which they collapsed
        offset_span=2 * margin,
        loss=dict(
            cluster_reduction='sum',  # or else the decoded branch learns its 17 maps last
            tag_weight=0.06,
            margin=margin,
            pull_weight=1 / 32,
            tag_window=3,
        ),
    ),
)

train_cfg = dict(max_epochs=6, val_interval=6)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=100, start_factor=0.01, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=0, T_max=6, by_epoch=True, convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(
    checkpoint=dict(interval=1, save_best='coco/AP', rule='greater'), logger=dict(interval=20)
)
