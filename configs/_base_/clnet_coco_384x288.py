# CLNet's codec and pipelines on COCO at 384x288.
_base_ = ['./topdown_augmentation.py', './coco_topdown.py', './clnet.py', './shear.py']

codec = dict(_base_.clnet_codec, input_size=(288, 384))
crop = dict(type='TopdownAffine', input_size=codec['input_size'])
pack = dict(type='PackPoseInputs')
target = dict(type='GenerateTarget', encoder=codec)
train_pipeline = [*_base_.augmentation, crop, _base_.shear, target, pack]
val_pipeline = [*_base_.load_person, crop, pack]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
