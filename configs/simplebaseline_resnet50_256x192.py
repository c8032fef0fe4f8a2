# The attention paper's baseline, Table I: ImageNet weights, downloaded at the first start
# (docs/attention.md says how to start from scratch).
_base_ = ['./_base_/schedule_140e.py', './_base_/heatmap_256x192.py']

model = dict(
    backbone=dict(
        type='ResNet',
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    )
)
