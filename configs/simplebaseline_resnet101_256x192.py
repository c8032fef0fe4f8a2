# The attention paper's baseline, Table I: ImageNet weights (downloaded at the first start; for a
# start from scratch: --cfg-options model.backbone.init_cfg=None).
_base_ = ['./_base_/schedule_140e.py', './_base_/heatmap_256x192.py']

model = dict(
    backbone=dict(
        type='ResNet',
        depth=101,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    )
)
