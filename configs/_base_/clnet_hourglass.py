# CLNet-Hourglass: eight stacks with a head at every stage; the last stack stops at stride 16. "We
# follow the same hyper-parameters and settings in [9]" (Section 4.1): Newell et al.'s,
# schedule_newell.py.
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='StackedHourglass', num_stacks=8, out_stride=16),
    head=dict(
        type='StackedCompositeLocalizationHead',
        in_channels=256,
        out_channels=17,
        feature_strides=(4, 4, 4, 4, 4, 4, 4, 16),
        loss=dict(type='CompositeLocalizationLoss', heatmap_weight=0.5, offset_weight=2.0),
    ),
    test_cfg=dict(flip_test=True),
)
