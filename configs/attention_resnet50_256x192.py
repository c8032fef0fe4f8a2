# Second-order CBAM and a Gaussian non-local block after C2 to C5, Table I. Trained from scratch,
# as Section IV-B says of the paper's own rows; with ImageNet weights:
# --cfg-options model.backbone.init_cfg.type=Pretrained \
#     model.backbone.init_cfg.checkpoint=torchvision://resnet50
_base_ = ['./_base_/heatmap_256x192.py']

model = dict(
    backbone=dict(
        type='PluginResNet',
        depth=50,
        plugins=[
            dict(
                cfg=dict(type='SecondOrderNonLocal'),
                stages=(True, True, True, True),
                position='after_stage',
            )
        ],
    )
)
