# Newell et al.'s stacked hourglass with heatmaps at every stage, the baseline of CLNet-Hourglass.
# It has the same stacks, all at stride 4. `test_cfg.stage` (0 to 7) tests a stage other than the
# last.
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='StackedHourglass', num_stacks=8, out_stride=4),
    head=dict(
        type='StackedHeatmapHead',
        in_channels=256,
        num_stages=8,
        # summed over the cells, as in the other heatmap rows
        loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=64 * 64),
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)
codec = dict(type='MSRAHeatmap', input_size=(256, 256), heatmap_size=(64, 64), sigma=1)
# A child config adds the data and, before these steps, the augmentation.
crop_with_target = [
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
