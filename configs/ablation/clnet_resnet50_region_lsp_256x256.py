# Offsets trained at the target's cells rather than at the prediction's (not in the paper).
_base_ = ['../clnet_resnet50_lsp_256x256.py']

model = dict(head=dict(loss=dict(region='target')))
