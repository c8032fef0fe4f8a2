# The synthetic people of `mmpose-ext synthetic`, one person per sample, tested on its detection
# file.
dataset_type = 'CheckedCocoDataset'
data_mode = 'topdown'
data_root = 'build/demo/data/'

# little more than flips, because the people differ enough and the boxes vary like a detector's
augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        shift_factor=0.06,
        shift_prob=0.5,
        scale_factor=(0.9, 1.1),
        rotate_prob=0.0,
    ),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_train.json',
        data_prefix=dict(img='train/'),
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
        ann_file='annotations/person_keypoints_val.json',
        bbox_file=data_root + 'annotations/person_detections_val.json',
        data_prefix=dict(img='val/'),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'annotations/person_keypoints_val.json'
)
test_evaluator = val_evaluator
