# Composite localization, Figure 4 (a): SimpleBaseline on ResNet-50.
_base_ = ['../_base_/schedule_140e.py', '../_base_/heatmap_lsp_256x256.py']

model = dict(
    backbone=dict(
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
)
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
