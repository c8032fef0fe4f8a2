# Section 4.3, the second other loss (93.7 PCK@0.2 in the paper): G-RMI's binary classification with
# offsets at the positive cells.
_base_ = [
    '../_base_/schedule_140e.py',
    '../_base_/clnet_resnet.py',
    '../_base_/clnet_lsp_256x256.py',
]

model = dict(
    head=dict(
        out_channels=14,
        decoder=_base_.codec,
        loss=dict(type='BinaryHeatmapOffsetLoss'),
        logits=True,
    )
)
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
