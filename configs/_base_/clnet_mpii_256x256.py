# CLNet's codec and pipelines on MPII at 256x256.
_base_ = ['./topdown_augmentation.py', './mpii.py', './clnet.py', './shear.py']

# SimpleBaseline's public code rotates and scales less on MPII than on COCO.
augmentation = [
    *_base_.augmentation[:-1],
    dict(_base_.augmentation[-1], scale_std=0.25, rotate_std=30),
]
codec = dict(_base_.clnet_codec, input_size=(256, 256))
crop = dict(type='TopdownAffine', input_size=codec['input_size'])
pack = dict(type='PackPoseInputs')
target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [*augmentation, crop, _base_.shear, target, pack]
val_pipeline = [*_base_.load_person, crop, pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
