# Second-order CBAM and a Gaussian non-local block after C2 to C5, Table I. The ResNet starts from
# ImageNet weights, as the baseline does (Section IV-A; Section IV-B says that the paper's own rows
# were trained from scratch, and docs/attention.md says how to do that).
_base_ = ['./_base_/schedule_140e.py', './_base_/heatmap_256x192.py']

model = dict(
    backbone=dict(
        type='PluginResNet',
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
        plugins=[
            dict(
                cfg=dict(type='SecondOrderNonLocal'),
                stages=(True, True, True, True),
                position='after_stage',
            )
        ],
    )
)
