# Table 5, stride 32 (93.4 PCK@0.2 in the paper): all four stages and a head of 2048 channels
# without projection, the nearest structure that we found to the paper's 28.9 M.
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_lsp_256x256.py',
]

codec = dict(_base_.codec, stride=32)
model = dict(
    backbone=dict(num_stages=4, strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), out_indices=(3,)),
    head=dict(out_channels=14, in_channels=2048, channels=2048, project=False, decoder=codec),
)
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
