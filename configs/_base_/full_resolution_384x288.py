# Heatmaps of the input's own size, drawn on the model's device: the workers pass on only points
# (draw_on_device=False lets them draw, with the same values).
_base_ = ['./topdown_augmentation.py', './coco_topdown.py', './frsbn_resnet34.py']

codec = dict(type='FullResolutionHeatmap', input_size=(288, 384), sigma=12, draw_on_device=True)
train_pipeline = [
    *_base_.augmentation,
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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

# Eq. 2 sums the squared error over the cells; KeypointMSELoss takes their mean
model = dict(head=dict(loss=dict(loss_weight=288 * 384), decoder=codec))
