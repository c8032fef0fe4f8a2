# Section 4.3, the second other loss (93.7 PCK@0.2 in the paper): G-RMI's binary classification with
# offsets at the positive cells.
_base_ = ['../clnet_resnet50_lsp_256x256.py']

model = dict(head=dict(loss=dict(type='BinaryHeatmapOffsetLoss')))
