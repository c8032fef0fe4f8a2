# The cluster-wise network at 512x512 and its training: Sections 3 and 4.2. A child config adds the
# data set. Maps at 128x128; Adam 2e-4, from epoch 150 of 200 on 1e-5; batches of 8. An epoch is 1000
# steps ("1000 training steps and 10 evaluation steps are alternatively carried on"), as in the code
# of associative embedding. For passes over the data instead:
# --cfg-options train_dataloader.sampler.samples=None
_base_ = ['./default_runtime.py', './bottomup_pack.py']

codec = dict(
    type='ClusterTag',
    input_size=(512, 512),
    heatmap_size=(128, 128),
    clusters=17,
    sigma=2,
    delta=0.03,
    tag_threshold=4.0,  # the margin of the loss
    draw_on_device=True,  # the points that it passes on serve every stack's clusters
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='BottomupRandomAffine', input_size=codec['input_size']),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='PersonMasks', map_size=codec['heatmap_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(
        type='BottomupResize',
        input_size=codec['input_size'],
        size_factor=64,
        resize_mode='expand',
    ),
    dict(type='PackPoseInputs', meta_keys=_base_.shared_meta_keys),
]

train_sampler = dict(_delete_=True, type='SubsetSampler', samples=8 * 1000)

# 17 clusters of one joint beside one of all (Cluster-2), in- and cross-branch aggregation
sparse_clusters = (17, 17, 17, 17)
dense_clusters = (1, 1, 1, 1)
model = dict(
    type='MultiScaleBottomupEstimator',  # one scale unless test_cfg.scales are set
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='BranchedHourglass',
        sparse_clusters=sparse_clusters,
        dense_clusters=dense_clusters,
        in_branch=True,
        cross_branch=True,
        # the hourglass of associative embedding's public code
        growth=128,
        block='conv',
        norm_cfg=None,
    ),
    head=dict(
        type='ClusterTagHead',
        decoder=codec,
        sparse_clusters=sparse_clusters,
        dense_clusters=dense_clusters,
        loss=dict(type='ClusterTagLoss', detection_weight=1.0, tag_weight=1e-3, margin=4.0),
    ),
    test_cfg=dict(flip_test=True),
)

train_cfg = dict(max_epochs=200, val_interval=10)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=2e-4))
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=200, milestones=[150], gamma=0.05, by_epoch=True)
]
auto_scale_lr = dict(base_batch_size=8)  # scales the rate only with --auto-scale-lr
