# SimpleBaseline on ResNet-34 with ImageNet weights, Table 1 (row "SBN-34") of the full-resolution
# paper.
_base_ = ['./_base_/schedule_140e.py', './_base_/heatmap_256x192.py']

model = dict(
    backbone=dict(
        type='ResNet',
        depth=34,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    head=dict(in_channels=512),
)
