# FR-SBN+GCB+SA-MFCD on ResNet-50, Table 3.
_base_ = ['./_base_/schedule_140e.py', './_base_/full_resolution_384x288.py']

model = dict(
    backbone=dict(depth=50, init_cfg=dict(checkpoint='torchvision://resnet50')),
    neck=dict(in_channels=(256, 512, 1024)),
    head=dict(in_channels=(32, 32, 32, 2048)),
)
