# Plain associative embedding, the paper's baseline: one branch of 17 clusters of one joint. (The
# baseline of Table 1 is Newell et al.'s model, wider in its deep layers and tested at many scales.)
_base_ = ['./cluster_hourglass4_512x512.py']

dense_clusters = None
model = dict(
    backbone=dict(dense_clusters=None, in_branch=False, cross_branch=False),
    head=dict(dense_clusters=None),
)
