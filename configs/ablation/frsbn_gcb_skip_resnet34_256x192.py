# Table 1, row "FR-SBN+GCB+skip": the stages' features go to the decoders of the same resolution
# (C4 to the first, C3 to the second, C2 to the third) instead of to SA-MFCD.
_base_ = ['./frsbn_gcb_resnet34_256x192.py']

model = dict(
    backbone=dict(out_indices=(0, 1, 2, 3)),
    head=dict(in_channels=(64, 128, 256, 512), lateral_indices=(2, 1, 0, None, None)),
)
