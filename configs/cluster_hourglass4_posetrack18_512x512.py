# Fine-tuned from COCO on PoseTrack18, frame by frame (Section 4.4), at 1e-5, and at 1e-6 from epoch
# 15 of 20 on. PoseTrack18 has head_bottom and head_top instead of COCO's eyes, but also 17
# keypoints, so COCO's checkpoint fits. The channels with another meaning learn it from the data. An
# epoch is 1000 steps, as on COCO. The metric needs `pip install poseval`.
_base_ = [
    './_base_/schedule_cluster.py',
    './_base_/bottomup_pack.py',
    './_base_/cluster_hourglass.py',
]

dataset_type = 'PoseTrack18Dataset'
data_mode = 'bottomup'
data_root = 'data/posetrack18/'
load_from = 'work_dirs/cluster_hourglass4_512x512/epoch_200.pth'
metainfo = 'configs/_base_/datasets/posetrack18.py'
codec = dict(
    type='ClusterTag',
    input_size=(512, 512),
    heatmap_size=(128, 128),
    clusters=17,
    metainfo=metainfo,
    sigma=2,
    delta=0.03,
    draw_on_device=True,
)
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    *_base_.load_and_resize,
    dict(type='PackPoseInputs', meta_keys=_base_.shared_meta_keys),
]
model = dict(backbone=dict(metainfo=metainfo), head=dict(decoder=codec))

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SubsetSampler', samples=8 * 1000),
    dataset=dict(
        type='IgnoreRegionPoseTrack18Dataset',  # no loss in regions without annotations
        data_root=data_root,
        data_mode='bottomup',
        ann_file='annotations/posetrack18_train.json',
        data_prefix=dict(img=''),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/posetrack18_val.json',
        data_prefix=dict(img=''),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='PoseTrack18Metric',
    ann_file=data_root + 'annotations/posetrack18_val.json',
    score_mode='bbox',
    nms_mode='none',
)
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=20, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=20, milestones=[15], gamma=0.1, by_epoch=True)
]
default_hooks = dict(checkpoint=dict(interval=5, save_best='posetrack18/AP', rule='greater'))
