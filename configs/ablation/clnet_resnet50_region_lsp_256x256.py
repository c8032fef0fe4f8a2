# Offsets trained at the target's cells rather than at the prediction's (not in the paper).
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_lsp_256x256.py',
]

model = dict(head=dict(out_channels=14, decoder=_base_.codec, loss=dict(region='target')))
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
