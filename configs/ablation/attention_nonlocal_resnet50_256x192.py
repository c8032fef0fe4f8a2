# Table IV, row "+ NL": GaussianNonLocal2d alone after C2 to C5.
_base_ = ['../_base_/schedule_140e.py', '../_base_/heatmap_256x192.py']

model = dict(
    backbone=dict(
        type='PluginResNet',
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
        plugins=[dict(cfg=dict(type='GaussianNonLocal2d'))],
    )
)
