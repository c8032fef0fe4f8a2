# Composite localization, Tables 4 and 5: 94.9 PCK@0.2 on LSP test in the paper.
_base_ = [
    './_base_/schedule_140e.py',
    './_base_/clnet_resnet.py',
    './_base_/clnet_lsp_256x256.py',
]

model = dict(head=dict(out_channels=14, decoder=_base_.codec))
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
