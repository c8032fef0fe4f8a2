# Table 5, stride 8 (93.9 PCK@0.2 in the paper): one of SimpleBaseline's deconvolutions after the
# third stage and a head of 512 channels, the nearest structure that we found to the paper's 15.7 M.
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_lsp_256x256.py',
]

codec = dict(_base_.codec, stride=8)
model = dict(
    head=dict(
        out_channels=14,
        channels=512,
        deconv_out_channels=(256,),
        decoder=codec,
    )
)
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
