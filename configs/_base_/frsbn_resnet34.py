# FR-SBN with global context blocks and SA-MFCD on ResNet-34. The codec, and with it the input's
# size, comes from the file that inherits this one.
context = dict(type='GlobalContextBlock', ratio=1 / 4)

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ContextResNet',
        depth=34,
        context=context,
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    neck=dict(type='SAMFCD', in_channels=(64, 128, 256), out_channels=32),
    head=dict(
        type='FullResolutionHead',
        in_channels=(32, 32, 32, 512),
        out_channels=17,
        lateral_indices=(None, 0, 1, 2, None),
        context=context,
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
    ),
    test_cfg=dict(flip_test=True, shift_heatmap=False),
)
