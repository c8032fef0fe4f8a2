# CLNet's codec and pipelines on COCO at 256x192.
_base_ = ['./topdown_augmentation.py', './coco_topdown.py']

codec = dict(
    type='CompositeLocalization',
    input_size=(192, 256),
    stride=16,
    sigma=16,
    tau=0.6,
    draw_on_device=True,
)
points_pipeline = [
    *_base_.augmentation,
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='RandomShear'),  # Section 4.1 names shearing, without an amount
]
train_pipeline = [
    *points_pipeline,
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
