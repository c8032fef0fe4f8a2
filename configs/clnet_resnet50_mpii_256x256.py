# Composite localization, Table 2: 90.4 PCKh@0.5 on MPII test in the paper.
_base_ = [
    './_base_/schedule_140e.py',
    './_base_/clnet_resnet.py',
    './_base_/clnet_mpii_256x256.py',
]

model = dict(head=dict(out_channels=16, decoder=_base_.codec))
default_hooks = dict(checkpoint=dict(save_best='PCK'))
