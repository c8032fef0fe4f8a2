# Composite localization, Figure 4 (a): SimpleBaseline on ResNet-152.
_base_ = ['../_base_/schedule_140e.py', '../_base_/heatmap_lsp_256x256.py']

model = dict(
    backbone=dict(
        depth=152,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet152'),
    ),
)
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
