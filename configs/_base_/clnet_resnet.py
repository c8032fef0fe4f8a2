# CLNet-ResNet: the stem and three residual stages (stride 16) and the dilated-bottleneck head.
# A child config sets depth, keypoints and codec.
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    head=dict(
        type='CompositeLocalizationHead',
        in_channels=1024,
        out_channels=17,
        loss=dict(type='CompositeLocalizationLoss', heatmap_weight=0.5, offset_weight=2.0),
    ),
    test_cfg=dict(flip_test=True),
)
