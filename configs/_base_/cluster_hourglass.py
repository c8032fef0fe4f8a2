# The cluster-wise network (Section 3) at 512x512, with maps of 128x128.
codec = dict(
    type='ClusterTag',
    input_size=(512, 512),
    heatmap_size=(128, 128),
    clusters=17,
    sigma=2,
    delta=0.03,
    draw_on_device=True,  # every stack draws its clusters from the points
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='BottomupRandomAffine', input_size=codec['input_size']),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='PersonMasks', map_size=codec['heatmap_size'], instance_map=False),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
load_and_resize = [
    dict(type='LoadImage'),
    dict(
        type='BottomupResize',
        input_size=codec['input_size'],
        size_factor=64,
        resize_mode='expand',
    ),
]

# 17 clusters of one joint and one of all (Cluster-2), in- and cross-branch aggregation
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
