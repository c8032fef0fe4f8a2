# Composite localization, Figure 4 (a): CLNet on ResNet-34.
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_lsp_256x256.py',
]

model = dict(
    backbone=dict(
        depth=34,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    head=dict(in_channels=256, out_channels=14, decoder=_base_.codec),
)
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
