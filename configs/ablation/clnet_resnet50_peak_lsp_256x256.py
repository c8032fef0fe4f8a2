# Section 4.3, the first other loss (93.2 PCK@0.2 in the paper): squared error of the offsets only
# at the heatmap's peak, which is also the only cell that decoding reads.
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_lsp_256x256.py',
]

codec = dict(_base_.codec, decode_from='peak')
model = dict(head=dict(out_channels=14, loss=dict(type='PeakOffsetLoss'), decoder=codec))
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
