# The comparison on LSP extended: 7,495 people for training, 1,496 for testing, 96x96, networks of a
# quarter of the papers' width from scratch, 30 epochs with the schedule's two drops. This file
# holds what the methods share. Gaussians are 6 pixels wide everywhere (16 of 256), and losses sum
# over the cells. The backbone's last stage keeps the resolution of the stage before: 6x6 cells for
# a person, where the papers have 8x6 for 256x192. With 3x3 cells, all methods localize poorly.
_base_ = ['./default_runtime.py']
dataset_type = 'LspDataset'
data_mode = 'topdown'
data_root = 'data/lspet/'
input_size = (96, 96)

augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='ClippedNormalBBoxTransform', scale_std=0.2, rotate_std=15),
    dict(type='TopdownAffine', input_size=input_size),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs'),
]
heatmap_codec = dict(type='MSRAHeatmap', input_size=input_size, heatmap_size=(24, 24), sigma=1.5)
heatmap_pipeline = [
    *augmentation,
    dict(type='GenerateTarget', encoder=heatmap_codec),
    dict(type='PackPoseInputs'),
]
full_resolution_codec = dict(
    type='FullResolutionHeatmap', input_size=input_size, sigma=6, draw_on_device=True
)
full_resolution_pipeline = [
    *augmentation,
    dict(type='GenerateTarget', encoder=full_resolution_codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='train_large.json',
        data_prefix=dict(img='images/'),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='val_large.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='TorsoPCK', thr=0.2)
test_evaluator = val_evaluator

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ResNet', depth=18, stem_channels=16, base_channels=16, strides=(1, 2, 2, 1)
    ),
)

# The heads of the heatmap rows and of the full-resolution rows. The last decoder keeps the paper's 32
# channels: fewer channels than keypoints cannot carry their heatmaps.
heatmap_head = dict(
    type='HeatmapHead',
    in_channels=128,
    out_channels=14,
    deconv_out_channels=(64, 64),
    deconv_kernel_sizes=(4, 4),
    loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=24 * 24),
    decoder=heatmap_codec,
)
heatmap_test_cfg = dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True)
full_resolution_head = dict(
    type='FullResolutionHead',
    in_channels=128,
    out_channels=14,
    deconv_out_channels=(64, 64, 32, 32),
    loss=dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=96 * 96),
    decoder=full_resolution_codec,
)
full_resolution_test_cfg = dict(flip_test=True, shift_heatmap=False)
context = dict(type='GlobalContextBlock', ratio=1 / 4)

train_cfg = dict(max_epochs=30, val_interval=10)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=200, start_factor=0.001, by_epoch=False),
    dict(type='MultiStepLR', begin=0, end=30, milestones=[20, 26], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=32)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1))
fast_data = dict(pack=True)  # crops made by `mmpose-ext pack`
fast_training = dict(channels_last=True, turbojpeg=False)
