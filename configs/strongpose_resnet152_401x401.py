# StrongPose on ResNet-152, Tables I to III.
_base_ = ['./_base_/strongpose_401x401.py']

model = dict(
    backbone=dict(depth=152, init_cfg=dict(checkpoint='torchvision://resnet152')),
)
