# Table 1, row "FR-SBN+GCB+skip": the stages' features go to the decoders of the same resolution
# (C4 to the first, C3 to the second, C2 to the third) instead of to SA-MFCD.
_base_ = ['../_base_/schedule_140e.py', '../_base_/full_resolution_256x192.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='PluginResNet',
        depth=34,
        plugins=[dict(cfg=_base_.context)],
        out_indices=(0, 1, 2, 3),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    neck=None,
    head=dict(in_channels=(64, 128, 256, 512), lateral_indices=(2, 1, 0, None, None)),
)
